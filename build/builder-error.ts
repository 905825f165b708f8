/**
 * What whoever builds can mend: the call, or the machine. It is told in one line: what, why, and what to do.
 * Any other error is a bug of the build, and shows its stack.
 */
import { foreignArchitecture, installCommand } from "./packing/install-command.ts";

export class BuilderError extends Error {
  override readonly name = "BuilderError";
  /** 2 for a wrong call, as of the agent itself. */
  readonly exitCode: 1 | 2;

  constructor(
    message: string,
    { exitCode = 1, cause }: { readonly exitCode?: 1 | 2; readonly cause?: unknown } = {},
  ) {
    super(message.replaceAll(/\s*\n\s*/g, " "), { cause });
    this.exitCode = exitCode;
  }
}

/** Says what this machine lacks and how to get it. */
export function missingFromMachine(what: string, packages: readonly string[]): BuilderError {
  // Ubuntu has packages for other machines elsewhere, and has to be told where.
  const systems = foreignArchitecture(packages) === undefined ? "Debian or Ubuntu" : "Debian";
  return new BuilderError(`${what} is missing on this machine; on ${systems}: ${installCommand(packages)}`);
}
