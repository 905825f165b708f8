/**
 * Says for the operator why no worker can run a sensor.
 *
 * The workers of a large fleet have the same few reasons, so only the first workers of each reason are named. The number of
 * others is left out: the text stays the same while workers come and go, and is logged and stored once.
 */

export interface Obstacle {
  readonly workerName: string;
  /** What the worker does or is. */
  readonly clause: string;
  /** Equal for obstacles of the same kind, even if their clauses differ in numbers. */
  readonly kind: string;
}

const namedMax = 3;

/** A sentence each for the first workers of each kind, and one for all others. */
export function describeObstacles(obstacles: readonly Obstacle[]): readonly string[] {
  const counts = new Map<string, number>();
  const sentences: string[] = [];
  for (const { workerName, clause, kind } of obstacles) {
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    if (count <= namedMax) sentences.push(`worker ${workerName} ${clause}`);
  }
  return sentences.length === obstacles.length
    ? sentences
    : [...sentences, "other workers cannot run it for the same reasons"];
}
