/**
 * Patches the loader so that it searches nothing in the file system.
 *
 * The loader only has to map the libraries that the stub passes as descriptors. But no variable stops it from
 * preloading the libraries in /etc/ld.so.preload, and when the C library needs a plug-in (a name service from
 * nsswitch.conf, a character set) the loader searches /etc/ld.so.cache and the system's library folders. There it
 * would find the image's libraries, built for another C library or by an unknown party. So in our copy the files'
 * names are empty and the folders' names do not exist. A library requested by name is then not found, which the C
 * library treats as a plug-in that is not installed; it resolves host names with its built-in hosts file and DNS.
 */
import assert from "node:assert/strict";

const files = ["/etc/ld.so.preload", "/etc/ld.so.cache"];

/** The search path: consecutive library folders, each ending with "/" and NUL. It occurs more than once. */
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

/** "/lib/" becomes "/@ib/". It cannot be empty, because the loader asserts that folders begin with a slash. */
function renameEach(bytes: Buffer, start: number, run: string): void {
  let at = start;
  for (const folder of run.split("\0").slice(0, -1)) {
    bytes[at + 1] = "@".charCodeAt(0);
    at += folder.length + 1;
  }
}
