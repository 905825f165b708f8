import { existsSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../../scripts/repository.ts";

export interface AgentCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** For the report: what was measured. */
  readonly what: string;
}

/**
 * The built executable when there is one: it is what people run. Else, or with ATTUNE_BENCH_FROM_SOURCE
 * set, the sources, whose types Node strips at every start, which costs time and memory.
 */
export function agentCommand(): AgentCommand {
  const executable = join(repositoryRoot, "dist/attune-sensor-agent");
  const isFromSource = process.env["ATTUNE_BENCH_FROM_SOURCE"] !== undefined || !existsSync(executable);
  return isFromSource
    ? { file: process.execPath, args: [join(repositoryRoot, "src/main.ts")], what: "the sources" }
    : { file: executable, args: [], what: "the built executable" };
}
