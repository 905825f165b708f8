/**
 * The kernel's locks on open files. They end with their process, however it ends, and processes of other containers on the
 * same machine see them. Node has no call for them, hence its foreign function interface.
 *
 * A file system that has no such locks refuses every one.
 *
 * @see flock(2)
 */
import { dlopen } from "node:ffi";

const { functions: c } = dlopen(null, { flock: { arguments: ["i32", "i32"], return: "i32" } });

const shared = 1;
const exclusive = 2;
const withoutWaiting = 4;

/** Locks an open file until its descriptor is closed. Returns false if that is not possible now. */
export function lockOpenFile(descriptor: number): boolean {
  return c.flock(descriptor, exclusive | withoutWaiting) === 0;
}

/** Whether somebody has locked the file. Several may ask at once; until the descriptor is closed, nobody else can lock it. */
export function isOpenFileLocked(descriptor: number): boolean {
  return c.flock(descriptor, shared | withoutWaiting) !== 0;
}
