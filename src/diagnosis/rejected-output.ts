/** What a sensor's log says about output that became no event, grouped by the reason. */
import { counted } from "../model/texts/counted.ts";

export interface RejectedOutput {
  /** The reason and the beginning of the newest line. */
  readonly newest: string;
  readonly reason: string;
  readonly lines: number;
  /** When it was rejected, as the log has it. */
  readonly firstAt: string;
  readonly lastAt: string;
}

const mark = " not an event: ";
/** The reason, and the beginning of the line as a JSON string; see sensors/output/rejected-lines.ts. */
const entryPattern = /^(.+?): "(?:[^"\\]|\\.)*"$/;
/** Lines that were rejected together with those before them. */
const morePattern = /^(\d+) more lines?$/;

/** In the order of the newest line of each reason, the newest first. */
export function rejectedOutput(log: readonly string[]): readonly RejectedOutput[] {
  const groups = new Map<string, RejectedOutput>();
  let reasonBefore: string | undefined;
  for (const line of log) {
    const end = line.indexOf(mark);
    if (end === -1) continue;
    const [at, text] = [line.slice(0, end), line.slice(end + mark.length)];
    const more = morePattern.exec(text)?.[1];
    const reason: string =
      more === undefined ? (entryPattern.exec(text)?.[1] ?? text) : (reasonBefore ?? text);
    const known = groups.get(reason);
    groups.delete(reason);
    groups.set(reason, {
      reason,
      newest: more === undefined ? text : (known?.newest ?? text),
      lines: (known?.lines ?? 0) + Number(more ?? 1),
      firstAt: known?.firstAt ?? at,
      lastAt: at,
    });
    reasonBefore = reason;
  }
  return [...groups.values()].toReversed();
}

/** Like `14 lines from … to …, the last: trigger demo.tick is disabled: "{…}"`. */
export function rejectedText({ lines, firstAt, lastAt, newest }: RejectedOutput): string {
  return lines === 1 ? newest : `${counted(lines, "line")} from ${firstAt} to ${lastAt}, the last: ${newest}`;
}
