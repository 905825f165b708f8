import { isSea } from "node:sea";
import { OperatorError } from "../../errors/operator-error.ts";
import { copyExecutable } from "../executable-copy.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { agentVersion } from "../version.ts";

/** The running file itself, also after somebody has replaced or deleted it. */
const runningExecutable = "/proc/self/exe";

/** Copies this executable into the directory, where other containers start it from, and writes its version beside. */
export async function install({ print }: Pick<Invocation, "print">, directory: string): Promise<ExitCode> {
  if (!isSea()) {
    throw new OperatorError({
      code: "INSTALL_FAILED",
      attempt: `copy the executable into ${directory}`,
      reason: "this is not the executable, it runs from source",
      remedy: "build it with `npm run build` and call dist/attune-sensor-agent install",
    });
  }
  const path = await copyExecutable({ source: runningExecutable, directory, version: agentVersion });
  print(`installed ${path} (${agentVersion})\n`);
  return 0;
}
