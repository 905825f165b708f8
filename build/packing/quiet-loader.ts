/**
 * A loader that looks for nothing in the file system.
 *
 * The loader's only work here is to map libraries that the stub hands it as descriptors. But it has habits
 * that no variable turns off: it preloads what /etc/ld.so.preload names, and when the C library asks for a
 * plug-in (a name service from nsswitch.conf, a character set) it searches /etc/ld.so.cache and the
 * system's library folders, where it would find the image's: built for another C library, or by somebody
 * else. So in our copy the files' names are empty and the folders' names are such as nobody has. What is
 * then asked for by a bare name is not found, which the C library takes for a plug-in that is not
 * installed; names and addresses are resolved by what it has built in, hosts file and DNS.
 */
import assert from "node:assert/strict";

const files = ["/etc/ld.so.preload", "/etc/ld.so.cache"];

/** The search path: folders of libraries, each ended by "/" and NUL, in one run; stored more than once. */
const folders = /(?:\/(?:usr\/)?lib[\w/-]*\/\0){2,}/g;

export function quietLoader(loader: Buffer): Buffer {
  // latin1 maps every byte to one character, so that offsets are the same.
  const text = loader.toString("latin1");
  const quiet = Buffer.from(loader);
  for (const file of files) {
    const at = text.indexOf(`\0${file}\0`);
    assert(at >= 0, `the loader does not mention ${file}: a glibc that this build does not know`);
    quiet[at + 1] = 0;
  }
  const searchPaths = [...text.matchAll(folders)];
  assert(searchPaths.length > 0, "the loader has no search path: a glibc that this build does not know");
  for (const { 0: run, index } of searchPaths) renameEach(quiet, index, run);
  return quiet;
}

/** "/lib/" becomes "/@ib/". Not empty: the loader asserts that they begin with a slash. */
function renameEach(bytes: Buffer, start: number, run: string): void {
  let at = start;
  for (const folder of run.split("\0").slice(0, -1)) {
    bytes[at + 1] = "@".charCodeAt(0);
    at += folder.length + 1;
  }
}
