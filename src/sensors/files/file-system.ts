/**
 * The file system as sensors of files see it.
 *
 * Everything but `watch` runs on libuv's few threads, which the whole agent shares, and a network file system whose server is
 * gone holds a thread for ever. So at most `readsMax` of them are used at a time, whatever the number of rules, and the others
 * stay free.
 */
import { constants, lstat, readdir, stat, watch, type Stats } from "node:fs";
import { open, realpath, statfs } from "node:fs/promises";
import { hasCode } from "../../errors/caught.ts";
import type { FileFacts } from "../../model/files/file-change.ts";
import { bytesOfName, isPlainName, nameOfBytes } from "../../model/files/file-name.ts";

/** A look at a path. */
export interface Look {
  readonly facts: FileFacts;
  /** Tells two folders with the same inode apart; 0 if the file system does not know. */
  readonly birthMs: number;
}

/** A file that is open for reading. */
export interface OpenFile {
  /** As it was when it was opened. */
  readonly look: Look;
  /**
   * Reads from this offset on, up to as many bytes as the buffer has.
   *
   * @returns how many bytes were read
   */
  read(buffer: Uint8Array, offset: number): Promise<number>;
  close(): Promise<void>;
}

export interface Watcher {
  close(): void;
}

export interface WatchListener {
  /** @param name what changed in the folder; undefined: it is not known */
  readonly onEvent: (name: string | undefined) => void;
  readonly onFailure: (error: unknown) => void;
}

export interface FileSystem {
  /** Undefined: nothing is there. A link is not followed. */
  look(path: string): Promise<Look | undefined>;
  /** Undefined: nothing is there. A link is followed. */
  lookAtTarget(path: string): Promise<Look | undefined>;
  /** The names in a folder; undefined: it is not there or no folder. */
  names(path: string): Promise<readonly string[] | undefined>;
  /** With all links followed; undefined: nothing is there. */
  realPath(path: string): Promise<string | undefined>;
  /**
   * Undefined: there is no file that could be read, or a link that is not to be followed.
   *
   * @param isLink whether the path may be a link
   */
  open(path: string, isLink: boolean): Promise<OpenFile | undefined>;
  /** Whether changes that other machines make are reported by no event. */
  isRemote(path: string): Promise<boolean>;
  /** Watches the names in a folder. @throws if that is impossible */
  watch(folder: string, listener: WatchListener): Watcher;
}

const readsMax = 3;

/** The types that statfs(2) gives file systems whose changes may come from elsewhere. */
const remoteTypes: ReadonlySet<number> = new Set([
  0x6969, // NFS
  0x517b, // SMB
  0xff534d42, // CIFS
  0xfe534d42, // SMB 2
  0x65735546, // FUSE, virtiofs
  0x01021997, // 9p
  0x00c36400, // Ceph
  0x5346414f, // AFS
  0x6b414653, // kAFS
  0x73757245, // Coda
  0x47504653, // GPFS
  0x0bd00bd0, // Lustre
  0x786f4256, // VirtualBox
  0xbacbacbc, // VMware
  0x7461636f, // OCFS2
  0x01161970, // GFS2
]);

export function systemFileSystem(): FileSystem {
  const gate = new Gate(readsMax);
  return {
    look: (path) => gate.run(() => statOf((at, done) => lstat(at, done), path)),
    lookAtTarget: (path) => gate.run(() => statOf((at, done) => stat(at, done), path)),
    names: (path) => gate.run(() => namesIn(path)),
    realPath: (path) => gate.run(() => realPathOf(path)),
    open: (path, isLink) => openFile(path, isLink, gate),
    // statfs gives signed numbers on some systems.
    isRemote: (path) => gate.run(async () => remoteTypes.has((await statfs(systemPath(path))).type >>> 0)),
    watch: watchFolder,
  };
}

/** A path as Node takes it: bytes if it is not UTF-8. */
function systemPath(path: string): string | Buffer {
  return isPlainName(path) ? path : Buffer.from(bytesOfName(path));
}

/** Lets a bounded number run at a time, in order. */
class Gate {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(countMax: number) {
    this.#free = countMax;
  }

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

type StatCall = (path: string | Buffer, done: (error: Error | null, stats: Stats) => void) => void;

function statOf(call: StatCall, path: string): Promise<Look | undefined> {
  return new Promise((resolve, reject) => {
    call(systemPath(path), (error, stats) => {
      if (error === null) resolve(lookOf(stats));
      else if (isAbsence(error)) resolve(undefined);
      else reject(error);
    });
  });
}

function lookOf(stats: Stats): Look {
  const { size, mtimeMs, ctimeMs, ino } = stats;
  return {
    facts: { size, mtimeMs, ctimeMs, inode: ino, isDirectory: stats.isDirectory() },
    birthMs: stats.birthtimeMs,
  };
}

async function realPathOf(path: string): Promise<string | undefined> {
  try {
    return nameOfBytes(await realpath(systemPath(path), { encoding: "buffer" }));
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}

async function namesIn(path: string): Promise<readonly string[] | undefined> {
  const names = await listed<string>((done) => readdir(systemPath(path), done));
  if (names === undefined || !names.some((name) => name.includes("\ufffd"))) return names;
  // Perhaps not UTF-8, which only the bytes show.
  const bytes = await listed<Buffer>((done) => readdir(systemPath(path), { encoding: "buffer" }, done));
  return bytes?.map(nameOfBytes);
}

function listed<Name>(
  call: (done: (error: NodeJS.ErrnoException | null, names: Name[]) => void) => void,
): Promise<readonly Name[] | undefined> {
  return new Promise((resolve, reject) => {
    call((error, names) => {
      if (error === null) resolve(names);
      else if (isAbsence(error)) resolve(undefined);
      else reject(error);
    });
  });
}

async function openFile(path: string, isLink: boolean, gate: Gate): Promise<OpenFile | undefined> {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
  // Without O_NONBLOCK, opening a pipe would wait for a writer.
  const flags = O_RDONLY | O_NONBLOCK | (isLink ? 0 : O_NOFOLLOW);
  const handle = await gate
    .run(() => open(systemPath(path), flags))
    .catch((error: unknown) => {
      // ENXIO: a socket, or a device that is not there.
      if (isAbsence(error) || hasCode(error, "ENXIO")) return undefined;
      throw error;
    });
  if (handle === undefined) return undefined;
  const close = (): Promise<void> => gate.run(() => handle.close());
  const stats = await gate
    .run(() => handle.stat())
    .catch(async (error: unknown) => {
      await close();
      throw error;
    });
  if (!stats.isFile()) {
    await close();
    return undefined;
  }
  return {
    look: lookOf(stats),
    read: async (buffer, offset) => {
      const { bytesRead } = await gate.run(() => handle.read(buffer, 0, buffer.length, offset));
      return bytesRead;
    },
    close,
  };
}

function isAbsence(error: unknown): boolean {
  return hasCode(error, "ENOENT", "ENOTDIR", "ELOOP");
}

function watchFolder(folder: string, { onEvent, onFailure }: WatchListener): Watcher {
  const watcher = watch(systemPath(folder), { persistent: false }, (_type, name) => {
    onEvent(typeof name === "string" && !name.includes("\ufffd") ? name : undefined);
  });
  watcher.on("error", onFailure);
  return watcher;
}
