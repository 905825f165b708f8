/**
 * The pipes for a program's stdout and stderr.
 *
 * Node gives its children socket pairs, and a socket cannot be opened by name: `echo oops > /dev/stderr` would fail in a
 * shell script. Node has no call that opens a pipe, hence its foreign function interface.
 *
 * @see pipe(2)
 */
import { dlopen } from "node:ffi";
import { closeSync } from "node:fs";
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

const { functions: c } = dlopen(null, { pipe2: { arguments: ["buffer", "i32"], return: "i32" } });

/** No program inherits an end that is not given to it. */
const closeOnExec = 0o2000000;

/** A descriptor for each output. */
export interface OutputEnds {
  readonly stdout: number;
  readonly stderr: number;
}

/** The caller closes all ends. */
export type OutputPipes =
  | { readonly kind: "opened"; readonly readers: OutputEnds; readonly writers: OutputEnds }
  | { readonly kind: "unopened"; readonly cause: NodeJS.ErrnoException };

export function openOutputPipes(): OutputPipes {
  const [stdout, stderr] = [openPipe(), openPipe()];
  if (stdout !== undefined && stderr !== undefined) {
    return {
      kind: "opened",
      readers: { stdout: stdout.reader, stderr: stderr.reader },
      writers: { stdout: stdout.writer, stderr: stderr.writer },
    };
  }
  for (const pipe of [stdout, stderr]) {
    if (pipe === undefined) continue;
    closeSync(pipe.reader);
    closeSync(pipe.writer);
  }
  // pipe2 fails only if this process or the machine has too many open files.
  return { kind: "unopened", cause: systemError(constants.errno.EMFILE, "pipe2") };
}

export function closeEnds({ stdout, stderr }: OutputEnds): void {
  closeSync(stdout);
  closeSync(stderr);
}

/** An error of the C library, in the form of Node's own. */
export function systemError(errorNumber: number, attempt: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errorNumber);
  return Object.assign(new Error(`${attempt}: ${code}`), { code, errno: -errorNumber });
}

interface Pipe {
  readonly reader: number;
  readonly writer: number;
}

/** Undefined if that fails. */
function openPipe(): Pipe | undefined {
  const ends = new Int32Array(new ArrayBuffer(8));
  if (c.pipe2(new Uint8Array(ends.buffer), closeOnExec) !== 0) return undefined;
  const [reader = 0, writer = 0] = ends;
  return { reader, writer };
}
