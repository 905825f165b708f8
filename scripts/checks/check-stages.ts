/** All checks: the scripts `check:*` of package.json. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../repository.ts";
import { npmStage, type Stage } from "./run-stage.ts";

export function checkStages(signal: AbortSignal): Stage[] {
  return checkNames().map((name) => npmStage(name, signal));
}

function checkNames(): string[] {
  const manifest: unknown = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
  if (typeof manifest !== "object" || manifest === null || !("scripts" in manifest)) return [];
  return Object.keys(manifest.scripts ?? {}).filter((name) => name.startsWith("check:"));
}
