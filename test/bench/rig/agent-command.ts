import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heapFlags } from "../../../build/packing/heap-flags.ts";
import { repositoryRoot } from "../../../scripts/repository.ts";

export interface AgentCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** For the report: what was measured. */
  readonly what: string;
}

/**
 * The built executable when there is one, installed as people install it: it is what they run. Else, or
 * with ATTUNE_BENCH_FROM_SOURCE set, the sources, whose types Node strips at every start, which costs
 * time and memory.
 */
export function agentCommand(): AgentCommand {
  const executable = join(repositoryRoot, "dist/attune-sensor-agent");
  const isFromSource = process.env["ATTUNE_BENCH_FROM_SOURCE"] !== undefined || !existsSync(executable);
  return isFromSource
    ? {
        file: process.execPath,
        args: [...heapFlags, join(repositoryRoot, "src/main.ts")],
        what: "the sources",
      }
    : { file: installedCopy(executable), args: [], what: "the built executable, installed" };
}

let copy: string | undefined;

/**
 * A copy by the executable's own `install`. The page cache holds the file that the build wrote in
 * larger pieces, so a process maps 20 MiB more than it uses; a copy shows what the agent costs.
 */
function installedCopy(executable: string): string {
  if (copy === undefined) {
    const directory = mkdtempSync(join(tmpdir(), "attune-bench-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    execFileSync(executable, ["install", directory]);
    copy = join(directory, "attune-sensor-agent");
  }
  return copy;
}
