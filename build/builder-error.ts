/**
 * A failure that the user of the build can fix: wrong arguments, or something missing on the machine. Printed
 * in one line: what, why, and what to do. Any other error is a bug of the build and is printed with its stack.
 */
import { foreignArchitecture, installCommand } from "./packing/install-command.ts";

export class BuilderError extends Error {
  override readonly name = "BuilderError";
  /** 2 for wrong arguments, as for the agent itself. */
  readonly exitCode: 1 | 2;

  constructor(
    message: string,
    { exitCode = 1, cause }: { readonly exitCode?: 1 | 2; readonly cause?: unknown } = {},
  ) {
    super(message.replaceAll(/\s*\n\s*/g, " "), { cause });
    this.exitCode = exitCode;
  }
}

/** Reports what this machine lacks and how to install it. */
export function missingFromMachine(what: string, packages: readonly string[]): BuilderError {
  // Ubuntu's packages for other architectures are on another server, which must be configured first.
  const systems = foreignArchitecture(packages) === undefined ? "Debian or Ubuntu" : "Debian";
  return new BuilderError(`${what} is missing on this machine; on ${systems}: ${installCommand(packages)}`);
}
