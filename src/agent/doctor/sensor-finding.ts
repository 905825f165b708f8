/** How one sensor stands, as a finding: a pure function of its rows and of what placement says of it. */
import type { SensorProcessStanding, SensorStanding } from "../../database/statements/diagnosis.ts";
import { durationText } from "../../model/duration-text.ts";
import { good, notice, wrong, type Finding } from "./finding.ts";

/** The end of what it said is what tells; all of it is in its log and in the JSON report. */
const linesShown = 10;

/**
 * @param obstacles why no worker runs it, if it should run and none can
 * @param ifPlaced what is said of it if one can, and does not yet
 */
export function sensorFinding(
  standing: SensorStanding,
  obstacles: string | undefined,
  ifPlaced: string,
): Finding {
  const { sensorRef, holder, process } = standing;
  const subject = `sensor ${sensorRef}`;
  const facts = { sensor: standing };
  const idle = idleFinding(subject, standing);
  if (idle !== undefined) return { ...idle, facts };

  if (holder === null) {
    const before = earlierFailure(process);
    if (obstacles !== undefined) return wrong(subject, `runs nowhere: ${obstacles}`, { ...before, facts });
    return notice(subject, ifPlaced, { ...before, facts });
  }
  if (process === null || !process.isCurrent) {
    return notice(subject, `is assigned to worker ${holder}, which has not reported yet`, { facts });
  }
  return { ...processFinding(subject, sensorRef, process, holder), facts };
}

/** What a sensor that nobody runs said when it last failed. */
function earlierFailure(process: SensorProcessStanding | null): { readonly lines?: readonly string[] } {
  if (process === null || process.failures === 0) return {};
  const failures = process.failures === 1 ? "it failed" : `it failed ${process.failures} times in a row`;
  return {
    lines: [`before, ${failures} on worker ${process.worker ?? "that is gone"}`, ...lastLines(process)],
  };
}

function lastLines({ stderrExcerpt }: SensorProcessStanding): readonly string[] {
  return stderrExcerpt?.split("\n").slice(-linesShown) ?? [];
}

/** For a sensor that is not meant to run. */
function idleFinding(subject: string, standing: SensorStanding): Finding | undefined {
  const { isEnabled, triggerRef, triggers, disabledTriggers, rules, enabledRules, effectiveRules } = standing;
  if (!isEnabled) return notice(subject, "does not run: it is disabled");
  if (triggers === 0) {
    const remedy = "load the pack that defines it, or correct the sensor's trigger_ref";
    return wrong(subject, `does not run: there is no trigger ${triggerRef}`, { remedy });
  }
  if (effectiveRules > 0) return undefined;
  if (enabledRules > 0 || disabledTriggers.length === triggers) {
    const names = disabledTriggers.join(", ");
    return notice(
      subject,
      `does not run: its ${disabledTriggers.length === 1 ? `trigger ${names} is` : `triggers ${names} are`} disabled`,
    );
  }
  const why = rules === 0 ? `no rule has its trigger ${triggerRef}` : `none of its ${rules} rules is enabled`;
  return notice(subject, `does not run: no enabled rule wants its events (${why})`);
}

function processFinding(
  subject: string,
  sensorRef: string,
  process: SensorProcessStanding,
  holder: string,
): Finding {
  const lines = lastLines(process);
  const where = `on worker ${holder}`;
  const failures = `${process.failures} ${process.failures === 1 ? "failure" : "failures"} in a row`;
  const reason = process.reason ?? "for no reason that was noted";
  switch (process.status) {
    case "running": {
      const pid = process.pid === null ? "between two runs" : `pid ${process.pid}`;
      const since =
        process.secondsSinceStart === null ? "" : ` for ${durationText(process.secondsSinceStart)}`;
      return good(subject, `runs ${where}${process.pid === null ? "" : since}, ${pid}`);
    }
    case "starting":
      return notice(subject, `is being started ${where}`);
    case "backoff":
      return wrong(subject, `failed ${where}: ${reason}; ${failures}, ${nextStart(process)}`, { lines });
    case "failed": {
      const remedy = `mend it; ${nextStart(process)}, and at once after: update sensor set enabled = enabled where ref = '${sensorRef}'`;
      return wrong(subject, `has failed ${where}: ${reason}; ${failures}`, { lines, remedy });
    }
    case "stopped":
      return notice(subject, `has been stopped ${where}: ${reason}`);
  }
}

function nextStart({ secondsToRestart }: SensorProcessStanding): string {
  if (secondsToRestart === null) return "it is not started again by itself";
  return `it is started again in ${durationText(secondsToRestart)}`;
}
