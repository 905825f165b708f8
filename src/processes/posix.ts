/**
 * Starts programs and waits for them with the C library's functions, through Node's foreign function interface.
 * For callers with nothing else to do while they wait: child_process needs the event loop, sockets and streams,
 * and loading those takes longer than most version commands.
 *
 * The layouts are glibc's on 64-bit Linux, the same for x86-64 and arm64. Opaque structures get more space than
 * they need (80 bytes for the file actions, 336 for the attributes, 128 for a set of signals). Memory passed to C
 * is always an ArrayBuffer's, which V8 does not move.
 *
 * @see posix_spawn(3), poll(2), pidfd_open(2), waitpid(2)
 */
import { dlopen, getRawPointer } from "node:ffi";
import { constants } from "node:os";
import type { ChildExit } from "./child.ts";
import { closeEnds, openOutputPipes, systemError, type OutputEnds } from "./output-pipes.ts";

const { functions: c } = dlopen(null, {
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
const pollInput = 0x01;
const waitNoHang = 1;
const opaqueBytes = 1_024;

export interface Program {
  readonly file: string;
  readonly args: readonly string[];
  /** Exactly this environment, nothing inherited. */
  readonly env: Readonly<Record<string, string>>;
}

/** The outputs are descriptors to read from; the caller closes them. */
export interface StartedProgram extends OutputEnds {
  readonly pid: number;
  /** A descriptor that has input once the program has ended; the caller closes it. Undefined on Linux before 5.3. */
  readonly end: number | undefined;
}

export type ProgramStart =
  | { readonly kind: "started"; readonly program: StartedProgram }
  | { readonly kind: "unstarted"; readonly cause: NodeJS.ErrnoException };

/** Starts the program in its own session, without input, and with no signals blocked or ignored. */
export function startProgram(program: Program): ProgramStart {
  const pipes = openOutputPipes();
  if (pipes.kind === "unopened") return { kind: "unstarted", cause: pipes.cause };
  const { readers, writers } = pipes;
  let pid: number | undefined;
  try {
    const started = int32s(1);
    let error = spawn(started, program, writers);
    // Run a script without `#!` with the shell, as child_process and shells do.
    if (error === constants.errno.ENOEXEC) error = spawn(started, asScript(program), writers);
    if (error !== 0) return { kind: "unstarted", cause: systemError(error, `posix_spawn ${program.file}`) };
    [pid = 0] = started;
    const end = c.pidfd_open(pid, 0);
    return { kind: "started", program: { pid, ...readers, end: end === -1 ? undefined : end } };
  } finally {
    closeEnds(writers);
    if (pid === undefined) closeEnds(readers);
  }
}

/** Waits at most `timeoutMs` and returns the descriptors that have input or are at their end. */
export function awaitInput(descriptors: readonly number[], timeoutMs: number): ReadonlySet<number> {
  // A struct pollfd: a descriptor, 16 bits of requested events and 16 bits of returned events.
  const entries = int32s(2 * descriptors.length);
  descriptors.forEach((descriptor, index) => entries.set([descriptor, pollInput], 2 * index));
  const ready = c.poll(asBytes(entries), BigInt(descriptors.length), timeoutMs);
  // -1: interrupted by a signal.
  if (ready <= 0) return new Set();
  return new Set(descriptors.filter((_, index) => (entries[2 * index + 1] ?? 0) >>> 16 !== 0));
}

/** Reaps the child and returns how it ended; undefined while it runs. Returns each exit only once. */
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

/** Returns an error number, or 0. */
function spawn(pid: Int32Array, { file, args, env }: Program, { stdout, stderr }: OutputEnds): number {
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

/** The layout of argv and envp: pointers to strings and a null pointer, followed by the strings. */
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

function nameOf(signal: number): NodeJS.Signals {
  const { signals } = constants;
  const isName = (name: string): name is NodeJS.Signals => name in signals;
  // Real-time signals have no name, nor does Node have a type for them.
  return (
    Object.keys(signals)
      .filter(isName)
      .find((name) => signals[name] === signal) ?? "SIGKILL"
  );
}
