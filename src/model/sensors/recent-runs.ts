/**
 * How a sensor's last runs ended. Consecutive failures alone do not reveal a sensor that fails every other
 * time, because each success resets their count.
 */

/** Oldest first; true if the run failed. A run in progress counts as not failed. */
export type RecentRuns = readonly boolean[];

const runsMax = 10;
/** With fewer runs there is no verdict: a new sensor's first failure would be 100% of its runs. */
const runsToJudge = 4;
const failedShare = 0.25;

export function withRun(runs: RecentRuns, hasFailed: boolean): RecentRuns {
  return [...runs, hasFailed].slice(-runsMax);
}

/** Marks the run in progress as failed. */
export function withFailure(runs: RecentRuns): RecentRuns {
  return [...runs.slice(0, -1), true];
}

export function failuresAmong(runs: RecentRuns): number {
  return runs.filter((hasFailed) => hasFailed).length;
}

/** Whether too many of the runs failed to be chance. */
export function isUnsteady(runs: number, failures: number): boolean {
  return runs >= runsToJudge && failures >= 2 && failures >= runs * failedShare;
}
