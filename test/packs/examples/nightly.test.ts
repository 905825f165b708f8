/** The schedules of the nightly report, as its files have them. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { isJsonObject } from "../../../src/model/json/json.ts";
import type { Schedule } from "../../../src/model/schedules/schedule.ts";
import { localText } from "../../../src/model/schedules/forecast.ts";
import { readPack } from "../../../src/packs/read-pack.ts";
import { firesOf, planOf } from "../../model/schedules/support.ts";

const directory = fileURLToPath(new URL("../../../packs/nightly", import.meta.url));

async function scheduleOf(ref: string): Promise<Schedule> {
  const report = await readPack(directory);
  if (report.kind === "rejected") throw new Error(JSON.stringify(report.problems));
  const row = report.pack.definitions.find((definition) => definition.ref === ref)?.row;
  const params = row?.["trigger_params"];
  const triggerRef = row?.["trigger_ref"];
  if (!isJsonObject(params) || typeof triggerRef !== "string") throw new Error(`no rule ${ref}`);
  return planOf(triggerRef, params).schedule;
}

async function fires(ref: string, from: string, to: string): Promise<readonly string[]> {
  const schedule = await scheduleOf(ref);
  return firesOf(schedule, Date.parse(from), Date.parse(to)).map((ms) => localText(ms, schedule.zone));
}

test("the daily report leaves out holidays", async () => {
  expect(await fires("nightly.daily", "2026-12-23T12:00Z", "2026-12-28T12:00Z")).toEqual([
    "2026-12-24T02:30:00+01:00",
    "2026-12-27T02:30:00+01:00",
    "2026-12-28T02:30:00+01:00",
  ]);
});

test("the daily report is made once in the nights in which the clock changes", async () => {
  expect(await fires("nightly.daily", "2027-03-28T00:00Z", "2027-03-28T12:00Z")).toEqual([
    "2027-03-28T03:00:00+02:00",
  ]);
  expect(await fires("nightly.daily", "2027-10-30T22:00Z", "2027-10-31T12:00Z")).toEqual([
    "2027-10-31T02:30:00+02:00",
  ]);
});

test("the monthly report is made on the last workday, in summer time and in winter time", async () => {
  expect(await fires("nightly.monthly", "2026-10-01T00:00Z", "2027-01-01T00:00Z")).toEqual([
    "2026-10-30T18:00:00+01:00",
    "2026-11-30T18:00:00+01:00",
    "2026-12-31T18:00:00+01:00",
  ]);
});
