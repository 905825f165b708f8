/**
 * Runs all checks, the scripts `check:*` of package.json, one after the other. All run even if earlier ones fail,
 * so that every problem is visible at once.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../repository.ts";
import { runStage, type StageOutcome } from "./run-stage.ts";

export async function runChecks({ signal }: { readonly signal: AbortSignal }): Promise<StageOutcome[]> {
  const outcomes: StageOutcome[] = [];
  for (const name of checkNames()) {
    if (signal.aborted) break;
    outcomes.push(await runStage({ name, file: "npm", args: ["run", "--silent", name], env: {}, signal }));
  }
  return outcomes;
}

function checkNames(): string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("scripts" in manifest)) return [];
  return Object.keys(manifest.scripts ?? {}).filter((name) => name.startsWith("check:"));
}
