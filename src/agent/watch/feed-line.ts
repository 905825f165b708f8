/**
 * Formats an activity as one line for a person: time, kind, source, and as much of the content as fits.
 *
 *     12:00:01  sensor   examples.log_follower  running
 *     12:00:02  event    examples.log_line  from examples.log_follower  level=error line=out of memory
 *     12:00:02  match    examples.report_errors  enforcement 7 of event 12  out of memory
 */
import type { JsonObject } from "../../model/json/json.ts";
import { onOneLine } from "../../model/texts/quoted-text.ts";
import type { ActivityEntry } from "../../telemetry/activity.ts";
import { painted, type FeedStyle, type Paint } from "./feed-style.ts";

export function feedLine(entry: ActivityEntry, at: Date, style: FeedStyle): string {
  switch (entry.kind) {
    case "sensor": {
      const { sensorRef, status, reason } = entry;
      return line(at, style, [
        ["accent", "sensor   "],
        ["strong", sensorRef],
        [statusPaint(status), `  ${status}`],
        ["dim", reason === null ? "" : `  ${reason}`],
      ]);
    }
    case "event": {
      const { triggerRef, sensorRef, payload } = entry;
      return line(at, style, [
        ["good", "event    "],
        ["strong", triggerRef],
        ["dim", `  from ${sensorRef ?? "the platform"}  `],
        [undefined, contentText(payload)],
      ]);
    }
    case "enforcement": {
      const { enforcementId, eventId, ruleRef, config } = entry;
      return line(at, style, [
        ["warning", "match    "],
        ["strong", ruleRef],
        ["dim", `  enforcement ${enforcementId} of event ${eventId}  `],
        [undefined, typeof config["text"] === "string" ? config["text"] : contentText(config)],
      ]);
    }
  }
}

export function statusPaint(status: string): Paint {
  if (status === "running") return "good";
  if (status === "backoff") return "warning";
  return status === "failed" ? "bad" : "dim";
}

type Part = readonly [paint: Paint | undefined, text: string];

function line(at: Date, style: FeedStyle, parts: readonly Part[]): string {
  let columnsLeft = style.columns;
  let text = "";
  for (const [paint, full] of [["dim", `${at.toTimeString().slice(0, 8)}  `] as const, ...parts]) {
    const part = fitting(onOneLine(full), columnsLeft);
    columnsLeft -= part.length;
    text += paint === undefined ? part : painted(paint, part, style);
  }
  return text;
}

function fitting(text: string, columns: number): string {
  if (text.length <= columns) return text;
  return columns <= 0 ? "" : `${text.slice(0, columns - 1)}…`;
}

/** `name=value` for each field. Nested values and text that contains "=" are JSON. */
function contentText(content: JsonObject): string {
  const fields = Object.entries(content).map(([name, value]) => {
    const isPlain = typeof value === "string" && !value.includes("=");
    return `${name}=${isPlain ? value : JSON.stringify(value)}`;
  });
  return fields.join(" ");
}
