/** The state of one sensor as a finding: a pure function of its rows and its placement. */
import type { SensorProcessStanding, SensorStanding } from "../../database/statements/diagnosis.ts";
import { kindFacts, sensorKindOf } from "../../model/sensors/sensor-kind.ts";
import { isUnsteady } from "../../model/sensors/recent-runs.ts";
import { isUnusualSilence } from "../../model/sensors/output-rhythm.ts";
import { durationText } from "../../model/texts/duration-text.ts";
import type { Obstacle } from "../../scheduling/placement-facts.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";

/**
 * @param obstacle why no worker can run a sensor that should run
 * @param ifPlaced the text for a sensor that a worker can run but does not run yet
 */
export function sensorFinding(
  standing: SensorStanding,
  obstacle: Obstacle | undefined,
  ifPlaced: string,
): Finding {
  const { sensorRef, holder, process } = standing;
  const subject = `sensor ${sensorRef}`;
  const facts = { sensor: standing };
  const idle = idleFinding(subject, standing);
  if (idle !== undefined) return { ...idle, facts };

  if (holder === null) {
    const before = earlierFailure(process);
    if (obstacle !== undefined) {
      const { reason, remedy } = obstacle;
      return wrong(subject, `cannot run: ${reason}`, { ...before, remedy, facts });
    }
    if (process?.status === "failed" || process?.status === "backoff") {
      return { ...abandonedFailure(subject, process, ifPlaced), facts };
    }
    return notice(subject, ifPlaced, { ...before, facts });
  }
  if (process === null || !process.isCurrent) {
    const before = earlierFailure(process);
    return notice(subject, `is assigned to worker ${holder}, which has not reported yet`, {
      ...before,
      facts,
    });
  }
  const fallenSilent = fallenSilentFinding(subject, sensorRef, process, holder);
  if (fallenSilent !== undefined) return { ...fallenSilent, facts };
  const kind = sensorKindOf(standing);
  const ofKind = kind.kind === "valid" ? kindFacts[kind.value] : undefined;
  if (ofKind?.isSilenceTelling === true && isSilent(process))
    return { ...silentFinding(subject, process, holder), facts };
  const hasRuns = ofKind?.hasCountedRuns === true;
  const unsteady = hasRuns ? unsteadyFinding(subject, process, holder) : undefined;
  if (unsteady !== undefined) return { ...unsteady, facts };
  return { ...processFinding(subject, standing, process, holder, hasRuns), facts };
}

/** It failed, and its worker ended before retrying, so it may well fail again. */
function abandonedFailure(subject: string, process: SensorProcessStanding, ifPlaced: string): Finding {
  const reason = process.reason ?? "no reason was recorded";
  const where = process.worker === null ? "on a deleted worker" : `on worker ${process.worker}`;
  return wrong(subject, `failed ${where}: ${reason}; ${failuresText(process)}; ${ifPlaced}`, {
    lines: lastLines(process),
  });
}

function failuresText({ failures }: SensorProcessStanding): string {
  return `${failures} ${failures === 1 ? "failure" : "failures"} in a row`;
}

/** The last failure and output of a sensor that no worker runs now. */
function earlierFailure(process: SensorProcessStanding | null): { readonly lines?: readonly string[] } {
  if (process === null || process.failures === 0) return {};
  const failures = process.failures === 1 ? "it failed" : `it failed ${process.failures} times in a row`;
  return {
    lines: [
      `previously, ${failures} on ${process.worker === null ? "a deleted worker" : `worker ${process.worker}`}`,
      ...lastLines(process),
    ],
  };
}

function lastLines({ stderrExcerpt }: SensorProcessStanding): readonly string[] {
  return stderrExcerpt?.split("\n") ?? [];
}

/** For a sensor that should not run. */
function idleFinding(subject: string, standing: SensorStanding): Finding | undefined {
  const { isEnabled, triggerRef, triggers, disabledTriggers, rules, enabledRules, effectiveRules } = standing;
  if (!isEnabled) return notice(subject, "does not run: it is disabled");
  if (triggers === 0) {
    const remedy = "load the pack that defines it, or correct the sensor's trigger_ref";
    return wrong(subject, `does not run: its trigger ${triggerRef} does not exist`, { remedy });
  }
  if (effectiveRules > 0) return undefined;
  if (enabledRules > 0 || disabledTriggers.length === triggers) {
    const names = disabledTriggers.join(", ");
    return notice(
      subject,
      `does not run: its ${disabledTriggers.length === 1 ? `trigger ${names} is` : `triggers ${names} are`} disabled`,
    );
  }
  const why =
    rules === 0
      ? `no rule uses its trigger ${triggerRef}`
      : rules === 1
        ? "its only rule is disabled"
        : `all of its ${rules} rules are disabled`;
  return notice(subject, `does not run: no enabled rule needs its events (${why})`);
}

/** Before that, an interpreter may still be loading. */
export const silentSecondsMin = 60;

export const silentRemedy =
  "this is fine if it has had nothing to report; otherwise its output is probably buffered: " +
  "have the program flush after each line, see docs/writing-sensors.md#flushing";

function isSilent({ status, firstOutputAt, secondsSinceStart }: SensorProcessStanding): boolean {
  return status === "running" && firstOutputAt === null && (secondsSinceStart ?? 0) >= silentSecondsMin;
}

function silentFinding(
  subject: string,
  { pid, secondsSinceStart }: SensorProcessStanding,
  holder: string,
): Finding {
  const since = durationText(secondsSinceStart ?? 0);
  return notice(
    subject,
    `is running on worker ${holder}, pid ${pid}, but has printed nothing since it started ${since} ago`,
    {
      remedy: silentRemedy,
    },
  );
}

/** It printed regularly and has stopped: it hangs or has lost its source. */
function fallenSilentFinding(
  subject: string,
  sensorRef: string,
  process: SensorProcessStanding,
  holder: string,
): Finding | undefined {
  const { status, pid, secondsSinceStart, secondsSinceOutput, longestSilenceSeconds } = process;
  if (status !== "running" || secondsSinceOutput === null || longestSilenceSeconds === null) return undefined;
  // The time before its current start does not count as silence.
  const silence = Math.min(secondsSinceOutput, secondsSinceStart ?? secondsSinceOutput);
  if (!isUnusualSilence(silence, longestSilenceSeconds)) return undefined;
  const usual = durationText(Math.max(1, process.outputIntervalSeconds ?? longestSilenceSeconds));
  return wrong(
    subject,
    `is running on worker ${holder}, pid ${pid}, but has printed nothing for ${durationText(silence)}; ` +
      `it usually prints every ${usual}, and was never silent for more than ${durationText(Math.max(1, longestSilenceSeconds))}`,
    {
      remedy: `check whether it hangs or has lost its source; to restart it: attune-sensor-agent sensors restart ${sensorRef}`,
    },
  );
}

/** Each success resets the failure count, so such a sensor never becomes failed, but misses events. */
function unsteadyFinding(
  subject: string,
  { status, recentRuns, recentFailures }: SensorProcessStanding,
  holder: string,
): Finding | undefined {
  if (status !== "running" && status !== "starting") return undefined;
  if (!isUnsteady(recentRuns, recentFailures)) return undefined;
  const share = `${recentFailures} of its last ${recentRuns} runs failed`;
  return wrong(subject, `is running on worker ${holder}, but ${share}`, {
    remedy: "its log says why each failed; a longer timeout or poll_interval may help",
  });
}

/** @param hasRuns whether it runs from time to time, like a poll sensor */
function processFinding(
  subject: string,
  { sensorRef, protocol }: SensorStanding,
  process: SensorProcessStanding,
  holder: string,
  hasRuns: boolean,
): Finding {
  const lines = lastLines(process);
  const fix = process.exitCode === 0 && !hasRuns ? finishedRemedy(protocol) : "fix it";
  const where = `on worker ${holder}`;
  const failures = failuresText(process);
  const reason = process.reason ?? "no reason was recorded";
  switch (process.status) {
    case "running": {
      if (process.pid === null && hasRuns) return good(subject, `is running ${where}, between two runs`);
      const seconds = process.secondsSinceStart;
      const pid = process.pid === null ? "" : `, pid ${process.pid}`;
      const started = seconds === null ? "" : `, started ${durationText(seconds)} ago`;
      return good(subject, `is running ${where}${pid}${started}`);
    }
    case "starting":
      return notice(subject, `is starting ${where}`);
    case "backoff":
      // No failure: it waits for something that it needs.
      if (process.failures === 0) return wrong(subject, `waits ${where}: ${reason}; ${nextStart(process)}`);
      return wrong(subject, `failed ${where}: ${reason}; ${failures}, ${nextStart(process)}`, {
        lines,
        ...(fix === "fix it" ? {} : { remedy: fix }),
      });
    case "failed": {
      const remedy = `${fix}; ${nextStart(process)}, or at once after: attune-sensor-agent sensors restart ${sensorRef}`;
      return wrong(subject, `has failed ${where}: ${reason}; ${failures}`, { lines, remedy });
    }
    case "stopped":
      return notice(subject, `was stopped ${where}: ${reason}`);
  }
}

/** For a program that ended well although it should keep running. */
function finishedRemedy(protocol: string): string {
  return `a ${protocol} sensor keeps running: let it, or write protocol: poll if it checks once and exits`;
}

function nextStart({ secondsToRestart }: SensorProcessStanding): string {
  if (secondsToRestart === null) return "it will not be restarted automatically";
  return `it will be restarted in ${durationText(secondsToRestart)}`;
}
