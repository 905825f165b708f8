/**
 * Reads a sensor's log files, across rotation and while they are written.
 *
 * A position names a file by its inode and the beginning of its first line, so it stays valid when the file is renamed.
 * Files are opened before they are read, the newest first: one that is rotated meanwhile is met twice rather than not at
 * all. Only whole lines are read.
 */
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { hasCode } from "../../errors/caught.ts";
import {
  lastTime,
  logPageBytesMax,
  logStart,
  type LogPage,
  type LogPosition,
} from "../../model/sensors/log-page.ts";

/** The log and its rotated predecessors, the newest first. */
export type LogFileNames = readonly string[];

interface OpenLog {
  readonly handle: FileHandle;
  readonly source: string;
  readonly sizeBytes: number;
}

interface WholeLines {
  readonly lines: readonly string[];
  readonly endBytes: number;
}

/** Of the first line, what tells files apart. */
const headBytesMax = 64;

/** The last lines; as many of them as a page holds. */
export async function readLogTail(names: LogFileNames, count: number): Promise<LogPage> {
  await using handles = new AsyncDisposableStack();
  let lines: readonly string[] = [];
  let leftBytes = logPageBytesMax;
  let position = logStart;
  const sources = new Set<string>();
  for (const name of names) {
    const file = await openLog(name, handles);
    if (file === undefined || sources.has(file.source)) continue;
    const fromBytes = Math.max(0, file.sizeBytes - leftBytes);
    const read = await wholeLines(file, fromBytes, file.sizeBytes, "anywhere");
    if (sources.size === 0) position = { ...logStart, source: file.source, offset: read.endBytes };
    sources.add(file.source);
    lines = [...read.lines, ...lines];
    leftBytes -= file.sizeBytes - fromBytes;
    if (lines.length >= count || leftBytes <= 0) break;
  }
  const last = count === 0 ? [] : lines.slice(-count);
  return { lines: last, position: { ...position, time: lastTime(lines, "") } };
}

/** What follows a position. Undefined: its file is gone. */
export async function readLogAfter(names: LogFileNames, after: LogPosition): Promise<LogPage | undefined> {
  await using handles = new AsyncDisposableStack();
  const newer: OpenLog[] = [];
  for (const name of names) {
    const file = await openLog(name, handles);
    if (file === undefined || newer.some(({ source }) => source === file.source)) continue;
    newer.unshift(file);
    if (file.source !== after.source) continue;
    return file.sizeBytes < after.offset ? undefined : await readOn(newer, after);
  }
  return undefined;
}

/** @param files the position's, and those after it */
async function readOn(files: readonly OpenLog[], after: LogPosition): Promise<LogPage> {
  const lines: string[] = [];
  let position = after;
  let leftBytes = logPageBytesMax;
  for (const [index, file] of files.entries()) {
    const fromBytes = index === 0 ? after.offset : 0;
    const toBytes = Math.min(file.sizeBytes, fromBytes + leftBytes);
    const read = await wholeLines(file, fromBytes, toBytes, "read on");
    lines.push(...read.lines);
    position = { source: file.source, offset: read.endBytes, time: lastTime(read.lines, position.time) };
    leftBytes -= toBytes - fromBytes;
    if (toBytes < file.sizeBytes || leftBytes <= 0) break;
  }
  return { lines, position };
}

/** Undefined: there is no such file, or nothing in it yet. */
async function openLog(name: string, handles: AsyncDisposableStack): Promise<OpenLog | undefined> {
  let handle: FileHandle;
  try {
    // Not waiting, should it be a pipe.
    handle = await open(name, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENOENT")) return undefined;
    throw error;
  }
  handles.use(handle);
  const { ino, size: sizeBytes } = await handle.stat();
  const head = await readRange(handle, 0, Math.min(sizeBytes, headBytesMax));
  const lineEnd = head.indexOf("\n");
  if (head.length === 0) return undefined;
  // A position may travel through the database, which keeps no text with NUL.
  const firstLine = head.subarray(0, lineEnd === -1 ? head.length : lineEnd).toString("base64");
  return { handle, sizeBytes, source: `${ino} ${firstLine}` };
}

/**
 * The lines that end within the range.
 *
 * @param start whether the range begins where reading goes on, or anywhere, and so perhaps within a line
 */
async function wholeLines(
  { handle }: OpenLog,
  fromBytes: number,
  toBytes: number,
  start: "read on" | "anywhere",
): Promise<WholeLines> {
  // The byte before tells whether a line begins at the range's.
  const beforeBytes = start === "anywhere" && fromBytes > 0 ? 1 : 0;
  const buffer = await readRange(handle, fromBytes - beforeBytes, toBytes);
  const begin = beforeBytes === 0 ? 0 : buffer.indexOf("\n") + 1;
  const end = buffer.lastIndexOf("\n") + 1;
  if (end > begin) {
    const text = buffer.subarray(begin, end - 1).toString("utf8");
    return { lines: text.split("\n"), endBytes: fromBytes - beforeBytes + end };
  }
  // Nothing longer is read at once, so such a line is read in pieces.
  const isTooLong = start === "read on" && buffer.length >= logPageBytesMax;
  return isTooLong
    ? { lines: [buffer.toString("utf8")], endBytes: toBytes }
    : { lines: [], endBytes: fromBytes };
}

async function readRange(handle: FileHandle, fromBytes: number, toBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(Math.max(0, toBytes - fromBytes));
  let length = 0;
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, fromBytes + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return buffer.subarray(0, length);
}
