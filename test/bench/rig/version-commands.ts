/** What `--detect-only` runs on this machine: the version command of each interpreter that it finds. */
import { spawnSync } from "node:child_process";
import type { AgentCommand } from "./agent-command.ts";
import type { Sequence } from "./time-commands.ts";

export function versionCommands(
  { file, args }: Pick<AgentCommand, "file" | "args">,
  environment: NodeJS.ProcessEnv,
): Sequence {
  const { stdout } = spawnSync(file, [...args, "--detect-only", "--format", "json"], {
    env: environment,
    encoding: "utf8",
  });
  const detection: { readonly detected_interpreters: readonly { name: string; path: string }[] } =
    JSON.parse(stdout);
  return detection.detected_interpreters.map(({ name, path }) => [path, ...versionArguments(name)]);
}

function versionArguments(name: string): readonly string[] {
  if (name === "go") return ["version"];
  return name === "java" ? ["-version"] : ["--version"];
}
