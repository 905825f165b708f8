/**
 * A small process that times commands in turns: to start a child costs the more the larger the process is
 * that starts it, and a benchmark that has built executables is large.
 *
 *     node time-commands.ts '{"rounds": 25, "sequences": [[["true"]], [["a", "--b"], ["c"]]]}'
 *
 * Prints for each sequence of commands how long each round of it took, in milliseconds, as JSON.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

export type Sequence = readonly (readonly string[])[];

interface Task {
  readonly rounds: number;
  readonly sequences: readonly Sequence[];
}

/** Times the sequences in a process of their own; its environment is that of the commands. */
export function timeInTurns(task: Task, environment: NodeJS.ProcessEnv): readonly (readonly number[])[] {
  const script = fileURLToPath(import.meta.url);
  const answer = execFileSync(process.execPath, [script, JSON.stringify(task)], { env: environment });
  return JSON.parse(answer.toString());
}

function timeMs(commands: Sequence): number {
  const startedAtMs = performance.now();
  for (const [program = "", ...rest] of commands) spawnSync(program, rest);
  return performance.now() - startedAtMs;
}

if (import.meta.main) {
  const { rounds, sequences }: Task = JSON.parse(process.argv[2] ?? "");
  const times = sequences.map((): number[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, sequence] of sequences.entries()) times[index]?.push(timeMs(sequence));
  }
  process.stdout.write(JSON.stringify(times));
}
