/** Runs several stages side by side, as many at once as there are processors. */
import { availableParallelism } from "node:os";
import { runStage, type Stage, type StageOutcome } from "./run-stage.ts";

/**
 * All run even if earlier ones fail, so that every problem is visible at once. An interruption ends those that run and
 * starts no more.
 *
 * @returns the outcomes of those that were started, in the order given
 */
export async function runStages(
  stages: readonly Omit<Stage, "isHeld">[],
  atOnce: number = availableParallelism(),
): Promise<StageOutcome[]> {
  const outcomes: (StageOutcome | undefined)[] = stages.map(() => undefined);
  const waiting = [...stages.entries()];
  const lane = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, stage] = next;
      if (stage.signal.aborted) return;
      outcomes[index] = await runStage({ ...stage, isHeld: true });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return outcomes.filter((outcome) => outcome !== undefined);
}
