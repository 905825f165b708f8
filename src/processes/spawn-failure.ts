/** Explains to an operator why a process could not be started. */
import { existsSync } from "node:fs";

export interface Attempt {
  readonly file: string;
  readonly cwd?: string;
}

/** One sentence: what could not be started, why, and what to do. */
export function explainSpawnFailure({ file, cwd }: Attempt, cause: NodeJS.ErrnoException): string {
  switch (cause.code) {
    case "ENOENT":
      return explainMissing(file, cwd);
    case "EACCES":
      return (
        `${file} may not be executed: give it the execute permission (chmod +x), ` +
        `and check that its parent folders are accessible and its file system is not mounted noexec`
      );
    case "ENOEXEC":
      return (
        `${file} is not a program this machine can execute: ` +
        `a script needs a first line like #!/usr/bin/env python3, a binary the right architecture`
      );
    case "E2BIG":
      return (
        `the environment of ${file} is larger than the kernel allows: ` +
        `shorten the sensor's config and the trigger_params of its rules`
      );
    case "ETXTBSY":
      return `${file} is still being written: wait until the copy is complete`;
    case "EAGAIN":
    case "ENOMEM":
      return `${file} could not be started because processes or memory ran out: raise the limits (ulimit -u, cgroup)`;
    case "EMFILE":
    case "ENFILE":
      return `${file} could not be started because file descriptors ran out: raise the limit (ulimit -n)`;
    default:
      return `${file} could not be started: ${cause.message}`;
  }
}

/** ENOENT does not tell what is missing. */
function explainMissing(file: string, cwd: string | undefined): string {
  if (cwd !== undefined && !existsSync(cwd))
    return `${file} cannot run in ${cwd}: that folder does not exist`;
  if (!existsSync(file)) return `${file} does not exist: install it or correct the path`;
  return (
    `${file} exists, but the interpreter in its first line (#!) or the loader it was linked with does not: ` +
    `install that, or use an image that has it`
  );
}
