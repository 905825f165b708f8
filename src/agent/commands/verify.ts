/** `verify`: proves that stored rows agree with each other, through the API of a running agent. */
import { listOf, objectOf, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { counted } from "../../model/texts/counted.ts";
import { linesOf } from "../client/line-answer.ts";
import { linesText, plainText } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";
import { jsonReport } from "../json-report.ts";

export interface VerifyCommand {
  readonly since: string | undefined;
  readonly isRepairing: boolean;
}

/** @returns 1 if rows contradict each other that are not repaired */
export async function verifyRows(
  invocation: ClientInvocation,
  { since, isRepairing }: VerifyCommand,
): Promise<ExitCode> {
  const body = { ...(since === undefined ? {} : { since }), repair: isRepairing };
  const request = { method: "POST", path: "/api/v1/verify", body, attempt: "verify stored rows" } as const;
  let left = 1;
  for await (const line of linesOf(clientOf(invocation), request)) {
    const { done, progress } = line;
    if (done === undefined) {
      invocation.complain(`${countText(objectOf(progress)["events"], "event")} verified\n`);
      continue;
    }
    const report = objectOf(done);
    left = Number(report["violations"] ?? 1) - Number(report["repaired"] ?? 0);
    invocation.print(
      invocation.output === "json" ? jsonReport(report) : reportText(report, left, isRepairing),
    );
  }
  return left > 0 ? 1 : 0;
}

function reportText(
  { checked, found, violations, repaired, unprovable_events: unprovable }: JsonObject,
  left: number,
  isRepairing: boolean,
): string {
  const { events, enforcements, messages, checkpoints, keys } = objectOf(checked);
  const lines = [
    violations === 0
      ? "no contradictions"
      : `${counted(Number(violations), "contradiction")}${isRepairing ? `: ${plainText(repaired)} repaired, ${left} left` : ""}`,
    `verified ${countText(events, "event")}, ${countText(enforcements, "enforcement")}, ${countText(messages, "waiting message")}, ${countText(checkpoints, "checkpoint")} and ${countText(keys, "dedup key")}`,
    ...(unprovable === 0
      ? []
      : [
          `the enforcements of ${countText(unprovable, "event")} cannot be proved: the rules of the time are not known`,
        ]),
    ...listOf(found).flatMap((each) => {
      const { count, meaning, examples, remedy = null } = objectOf(each);
      const shown = listOf(examples);
      const more = Number(count) - shown.length;
      return [
        `${plainText(count)} ${plainText(meaning)}:`,
        ...shown.map((text) => `  ${plainText(text)}`),
        ...(more > 0 ? [`  and ${more} more`] : []),
        ...(remedy === null ? [] : [`  to do: ${plainText(remedy)}`]),
      ];
    }),
    ...(isRepairing && left > 0 ? ["docs/verify.md has the statements for what is left"] : []),
  ];
  return linesText(lines);
}

function countText(value: JsonValue | undefined, noun: string): string {
  return counted(Number(value), noun);
}
