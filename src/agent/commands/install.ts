import { isSea } from "node:sea";
import { OperatorError } from "../../errors/operator-error.ts";
import { copyExecutable } from "../executable-copy.ts";
import type { ExitCode, Invocation } from "../invocation.ts";
import { agentVersion } from "../version.ts";
import { jsonReport } from "../json-report.ts";

/** The running executable, even after its file was replaced or deleted. */
const runningExecutable = "/proc/self/exe";

/** Copies this executable into a directory for other containers, and writes its version next to it. */
export async function install(
  { print, format }: Pick<Invocation, "print" | "format">,
  directory: string,
): Promise<ExitCode> {
  if (!isSea()) {
    throw new OperatorError({
      code: "INSTALL_FAILED",
      attempt: `copy the executable into ${directory}`,
      reason: "the agent runs from source, not as the executable",
      remedy: "build it with `npm run build` and call dist/attune-sensor-agent install",
    });
  }
  const path = await copyExecutable({ source: runningExecutable, directory, version: agentVersion });
  print(
    format === "json" ? jsonReport({ path, version: agentVersion }) : `installed ${path} (${agentVersion})\n`,
  );
  return 0;
}
