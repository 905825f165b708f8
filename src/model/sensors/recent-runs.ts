/**
 * How a sensor's last runs ended. Failures in a row do not tell a sensor that fails every other time:
 * each success in between forgives it.
 */

/** The oldest first; true: it failed. A run that has not ended counts as one that has not failed. */
export type RecentRuns = readonly boolean[];

const runsMax = 10;
/** Fewer tell nothing: the first failure of a new sensor would be all of its runs. */
const runsToJudge = 4;
const failedShare = 0.25;

export function withRun(runs: RecentRuns, hasFailed: boolean): RecentRuns {
  return [...runs, hasFailed].slice(-runsMax);
}

/** The last run, which was still under way, has failed. */
export function withFailure(runs: RecentRuns): RecentRuns {
  return [...runs.slice(0, -1), true];
}

export function failuresAmong(runs: RecentRuns): number {
  return runs.filter((hasFailed) => hasFailed).length;
}

/** Whether so many of them failed that it is more than an accident. */
export function isUnsteady(runs: number, failures: number): boolean {
  return runs >= runsToJudge && failures >= 2 && failures >= runs * failedShare;
}
