/**
 * What POSIX has for starting a program and waiting for it, called in the C library that Node itself uses,
 * by Node's foreign function interface. It is for who does nothing else meanwhile: Node's own child_process
 * brings its event loop, sockets and streams along, and loading those takes longer than most version commands.
 *
 * The layouts are those of glibc on 64-bit Linux, for x86-64 and arm64 alike; what is opaque is given more room
 * than it takes there (80 bytes for the file actions, 336 for the attributes, 128 for a set of signals).
 * Memory that is handed over is never V8's own, which moves it: an ArrayBuffer's does not.
 *
 * @see posix_spawn(3), pipe(2), poll(2), pidfd_open(2), waitpid(2)
 */
import { closeSync } from "node:fs";
import { dlopen, getRawPointer } from "node:ffi";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import type { ChildExit } from "./child.ts";

const { functions: c } = dlopen(null, {
  pipe2: { arguments: ["buffer", "i32"], return: "i32" },
  posix_spawn: { arguments: ["buffer", "string", "buffer", "buffer", "buffer", "buffer"], return: "i32" },
  posix_spawn_file_actions_init: { arguments: ["buffer"], return: "i32" },
  posix_spawn_file_actions_addopen: { arguments: ["buffer", "i32", "string", "i32", "u32"], return: "i32" },
  posix_spawn_file_actions_adddup2: { arguments: ["buffer", "i32", "i32"], return: "i32" },
  posix_spawn_file_actions_destroy: { arguments: ["buffer"], return: "i32" },
  posix_spawnattr_init: { arguments: ["buffer"], return: "i32" },
  posix_spawnattr_setflags: { arguments: ["buffer", "i16"], return: "i32" },
  posix_spawnattr_setsigdefault: { arguments: ["buffer", "buffer"], return: "i32" },
  pidfd_open: { arguments: ["i32", "u32"], return: "i32" },
  poll: { arguments: ["buffer", "u64", "i32"], return: "i32" },
  waitpid: { arguments: ["i32", "buffer", "i32"], return: "i32" },
});

const setSignalDefaults = 0x04;
const setSignalMask = 0x08;
const setSession = 0x80;
const closeOnExec = 0o2000000;
const pollInput = 0x01;
const waitNoHang = 1;
const opaqueBytes = 1_024;

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** Exactly this environment, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
}

export interface StartedProgram {
  readonly pid: number;
  /** Descriptors to read from; the caller's to close. */
  readonly stdout: number;
  readonly stderr: number;
  /** A descriptor that has input once the program has ended; the caller's to close. None on Linux before 5.3. */
  readonly end: number | undefined;
}

export type ProgramStart =
  | { readonly kind: "started"; readonly program: StartedProgram }
  | { readonly kind: "unstarted"; readonly cause: NodeJS.ErrnoException };

/** As the leader of a session of its own, with no input, no signal blocked and none ignored. */
export function startProgram(program: Program): ProgramStart {
  const pipes: Pipe[] = [];
  let pid: number | undefined;
  try {
    const [stdout, stderr] = [openPipe(pipes), openPipe(pipes)];
    // The only reasons that the kernel has: this process, or the machine, has too many files open.
    if (stdout === undefined || stderr === undefined) return unstarted(constants.errno.EMFILE, "pipe2");
    const started = int32s(1);
    const writers = { stdout: stdout.writer, stderr: stderr.writer };
    let error = spawn(started, program, writers);
    // A script without `#!` is the shell's, as for child_process and every shell.
    if (error === constants.errno.ENOEXEC) error = spawn(started, asScript(program), writers);
    if (error !== 0) return unstarted(error, `posix_spawn ${program.file}`);
    [pid = 0] = started;
    const end = c.pidfd_open(pid, 0);
    const descriptors = { stdout: stdout.reader, stderr: stderr.reader, end: end === -1 ? undefined : end };
    return { kind: "started", program: { pid, ...descriptors } };
  } finally {
    for (const { reader, writer } of pipes) {
      closeSync(writer);
      if (pid === undefined) closeSync(reader);
    }
  }
}

/** Those of the descriptors that have input or have come to their end, after at most so many milliseconds. */
export function awaitInput(descriptors: readonly number[], timeoutMs: number): ReadonlySet<number> {
  // An entry is a descriptor, 16 bits of what is asked and 16 of what is answered.
  const entries = int32s(2 * descriptors.length);
  descriptors.forEach((descriptor, index) => entries.set([descriptor, pollInput], 2 * index));
  const ready = c.poll(asBytes(entries), BigInt(descriptors.length), timeoutMs);
  // -1: interrupted by a signal.
  if (ready <= 0) return new Set();
  return new Set(descriptors.filter((_, index) => (entries[2 * index + 1] ?? 0) >>> 16 !== 0));
}

/** How the child ended, and undefined while it runs. Who has been told is not told again. */
export function reapedExit(pid: number): ChildExit | undefined {
  const status = int32s(1);
  if (c.waitpid(pid, asBytes(status), waitNoHang) !== pid) return undefined;
  const [word = 0] = status;
  const signal = word & 0x7f;
  if (signal === 0) return { kind: "exited", code: (word >> 8) & 0xff };
  return { kind: "signalled", signal: nameOf(signal) };
}

function asScript({ file, args, env }: Program): Program {
  return { file: "/bin/sh", args: [file, ...args], env };
}

interface Pipe {
  readonly reader: number;
  readonly writer: number;
}

/** Adds it to the pipes; undefined when there is none to be had. */
function openPipe(pipes: Pipe[]): Pipe | undefined {
  const ends = int32s(2);
  if (c.pipe2(asBytes(ends), closeOnExec) !== 0) return undefined;
  const [reader = 0, writer = 0] = ends;
  const pipe = { reader, writer };
  pipes.push(pipe);
  return pipe;
}

/** Returns an error number, 0 for none. */
function spawn(
  pid: Int32Array,
  { file, args, env }: Program,
  { stdout, stderr }: Pick<StartedProgram, "stdout" | "stderr">,
): number {
  const [actions, attributes] = [bytes(opaqueBytes), bytes(opaqueBytes)];
  const everySignal = bytes(opaqueBytes).fill(0xff);
  const environment = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  c.posix_spawn_file_actions_init(actions);
  try {
    const error =
      c.posix_spawn_file_actions_addopen(actions, 0, "/dev/null", 0, 0) ||
      c.posix_spawn_file_actions_adddup2(actions, stdout, 1) ||
      c.posix_spawn_file_actions_adddup2(actions, stderr, 2) ||
      c.posix_spawnattr_init(attributes) ||
      c.posix_spawnattr_setflags(attributes, setSignalDefaults | setSignalMask | setSession) ||
      c.posix_spawnattr_setsigdefault(attributes, everySignal);
    if (error !== 0) return error;
    return c.posix_spawn(
      asBytes(pid),
      file,
      actions,
      attributes,
      asVector([file, ...args]),
      asVector(environment),
    );
  } finally {
    c.posix_spawn_file_actions_destroy(actions);
  }
}

/** As argv and envp are: pointers to strings, ended by a null pointer, and after them the strings. */
function asVector(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  const texts = strings.map((text) => Buffer.from(`${text}\0`));
  const pointersBytes = 8 * (texts.length + 1);
  const vector = bytes(texts.reduce((sum, text) => sum + text.length, pointersBytes));
  const start = getRawPointer(vector);
  const pointers = new BigUint64Array(vector.buffer, 0, texts.length);
  let offset = pointersBytes;
  for (const [index, text] of texts.entries()) {
    pointers[index] = start + BigInt(offset);
    vector.set(text, offset);
    offset += text.length;
  }
  return vector;
}

function bytes(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(length));
}

function int32s(length: number): Int32Array<ArrayBuffer> {
  return new Int32Array(new ArrayBuffer(4 * length));
}

function asBytes({ buffer }: Int32Array): Uint8Array {
  return new Uint8Array(buffer);
}

function unstarted(errorNumber: number, attempt: string): ProgramStart {
  const code = getSystemErrorName(-errorNumber);
  const cause = Object.assign(new Error(`${attempt}: ${code}`), { code, errno: -errorNumber });
  return { kind: "unstarted", cause };
}

function nameOf(signal: number): NodeJS.Signals {
  const { signals } = constants;
  const isName = (name: string): name is NodeJS.Signals => name in signals;
  // Those without a name are the real-time ones, which Node has no type for either.
  return (
    Object.keys(signals)
      .filter(isName)
      .find((name) => signals[name] === signal) ?? "SIGKILL"
  );
}
