/**
 * Checks the params of rules on built-in triggers when a rule is saved: by loading or checking a pack, and by the API.
 * What a check needs is loaded with the first rule that needs it.
 */
import type { JsonObject } from "../json/json.ts";
import type { PlacedProblem } from "../placed-problem.ts";

type Check = (
  triggerRef: string,
  params: JsonObject,
  calendars: JsonObject | undefined,
) => readonly PlacedProblem[];

const loadTimerCheck = async (): Promise<Check> => (await import("../schedules/timer-plan.ts")).timerProblems;

const loadFileCheck = async (): Promise<Check> => (await import("../files/file-plan.ts")).filePlanProblems;

const loadWebhookCheck = async (): Promise<Check> =>
  (await import("../webhooks/endpoint-settings.ts")).webhookProblems;

const checks: ReadonlyMap<string, () => Promise<Check>> = new Map([
  ["core.intervaltimer", loadTimerCheck],
  ["core.timer", loadTimerCheck],
  ["core.crontimer", loadTimerCheck],
  ["core.datetimetimer", loadTimerCheck],
  ["core.rruletimer", loadTimerCheck],
  ["core.file_changed", loadFileCheck],
  ["core.webhook", loadWebhookCheck],
]);

/**
 * Why a rule on that trigger must not be saved with these params; places are relative to the params.
 *
 * @param calendars those that timers may name; undefined if they are not known here, as when a pack is checked
 */
export async function paramsProblems(
  triggerRef: string,
  params: JsonObject,
  calendars?: JsonObject,
): Promise<readonly PlacedProblem[]> {
  const load = checks.get(triggerRef);
  return load === undefined ? [] : (await load())(triggerRef, params, calendars);
}
