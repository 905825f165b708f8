/** A name that does not exist, in every place of the API that takes one. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { definitionsApi, givePack, rule, type DefinitionsApi } from "../support/definitions-api.ts";
import { insertSensor, insertWorker, query } from "../support/platform-rows.ts";

let api: DefinitionsApi;

beforeAll(async () => {
  api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.watering" });
  await insertSensor(api.database, { ref: "p.moisture", triggerRef: "p.trigger" });
  await insertWorker(api.database, { name: "greenhouse", instance: crypto.randomUUID() });
  await query(api.database, "insert into trigger (ref, label) values ('p.drought', 'Drought')");
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

test.each([
  ["GET", "/rules/p.watring", "There is no rule p.watring; did you mean p.watering?"],
  ["PATCH", "/rules/p.watring", "There is no rule p.watring; did you mean p.watering?"],
  ["DELETE", "/rules/p.watring", "There is no rule p.watring; did you mean p.watering?"],
  ["POST", "/rules/p.watring/disable", "There is no rule p.watring; did you mean p.watering?"],
  ["GET", "/rules/p.watring/history", "There is no rule p.watring; did you mean p.watering?"],
  ["GET", "/rules/p.watring/history/diff", "There is no rule p.watring; did you mean p.watering?"],
  ["POST", "/rules/p.watring/revert", "There is no rule p.watring; did you mean p.watering?"],
  ["GET", "/triggers/p.draught", "There is no trigger p.draught; did you mean p.drought?"],
  ["GET", "/triggers/p.draught/schema-memory", "There is no trigger p.draught; did you mean p.drought?"],
  ["POST", "/triggers/p.draught/enable", "There is no trigger p.draught; did you mean p.drought?"],
  ["GET", "/sensors/p.moistur", "There is no sensor p.moistur; did you mean p.moisture?"],
  ["POST", "/sensors/p.moistur/disable", "There is no sensor p.moistur; did you mean p.moisture?"],
  ["GET", "/workers/grenhouse", "There is no worker grenhouse; did you mean greenhouse?"],
  ["GET", "/timers/p.watring", "There is no rule p.watring on a timer trigger."],
  ["GET", "/rules/p.something_else", "There is no rule p.something_else."],
])("%s %s says which name was probably meant", async (method, path, error) => {
  const body = method === "GET" ? {} : { body: path.endsWith("/revert") ? { version: 1 } : {} };
  const answer = await api.call(method, path, body);

  expect(answer.status).toBe(404);
  expect(answer.body).toEqual({ error, code: "NOT_FOUND" });
});

test("a viewer gets the suggestion, and a sensor, which may not list rules, does not", async () => {
  const asked = async (token: string): Promise<unknown> =>
    (await api.call("GET", "/rules/p.watring", { token })).body["error"];

  expect(await asked("viewer")).toBe("There is no rule p.watring; did you mean p.watering?");
  expect(await asked("sensor/p.drought")).toBe("There is no rule p.watring.");
});
