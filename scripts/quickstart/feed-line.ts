/**
 * One activity as one line for people: when, what, who, and as much of the content as fits.
 *
 *     12:00:01  sensor   examples.log_follower  running
 *     12:00:02  event    examples.log_line  from examples.log_follower  {"level":"error", …}
 *     12:00:02  match    examples.report_errors  enforcement 7 of event 12  {"text": …}
 */
import type { Activity } from "./activity.ts";
import { painted, type FeedStyle, type Paint } from "./feed-style.ts";

/** Undefined: not worth a line; messages are counted, not listed. */
export function feedLine(activity: Activity, at: Date, style: FeedStyle): string | undefined {
  switch (activity.kind) {
    case "sensor": {
      const { sensorRef, state, reason } = activity;
      return line(at, style, [
        ["accent", "sensor   "],
        ["strong", sensorRef],
        [statePaints[state], `  ${state}`],
        ["dim", reason === null ? "" : `  ${reason}`],
      ]);
    }
    case "event": {
      const { triggerRef, sourceRef, payload } = activity;
      return line(at, style, [
        ["good", "event    "],
        ["strong", triggerRef],
        ["dim", `  from ${sourceRef ?? "the platform"}  `],
        [undefined, JSON.stringify(payload)],
      ]);
    }
    case "enforcement": {
      const { enforcementId, eventId, ruleRef, config } = activity;
      return line(at, style, [
        ["warning", "match    "],
        ["strong", ruleRef],
        ["dim", `  enforcement ${enforcementId} of event ${eventId}  `],
        [undefined, JSON.stringify(config)],
      ]);
    }
    case "message":
      return undefined;
  }
}

type SensorState = Extract<Activity, { kind: "sensor" }>["state"];

export const statePaints: Readonly<Record<SensorState, Paint>> = {
  starting: "dim",
  running: "good",
  backoff: "warning",
  failed: "bad",
  stopped: "dim",
};

type Part = readonly [paint: Paint | undefined, text: string];

function line(at: Date, style: FeedStyle, parts: readonly Part[]): string {
  let columnsLeft = style.columns;
  let text = "";
  for (const [paint, full] of [["dim", `${at.toTimeString().slice(0, 8)}  `] as const, ...parts]) {
    const part = fitting(oneLine(full), columnsLeft);
    columnsLeft -= part.length;
    text += paint === undefined ? part : painted(paint, part, style);
  }
  return text;
}

function fitting(text: string, columns: number): string {
  if (text.length <= columns) return text;
  return columns <= 0 ? "" : `${text.slice(0, columns - 1)}…`;
}

/** What a sensor says may be the end of a log, and must neither break the line nor steer the terminal. */
function oneLine(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/\s*[\u0000-\u001f\u007f-\u009f]+\s*/g, " ");
}
