/** The history of a rule over the API: what was changed, by whom, what differs, and the way back. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { JsonObject } from "../../src/model/json/json.ts";
import { definitionsApi, givePack, rule, type DefinitionsApi } from "../support/definitions-api.ts";
import { query } from "../support/platform-rows.ts";

let api: DefinitionsApi;

beforeAll(async () => {
  api = await definitionsApi();
  await givePack(api);
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
});

async function history(ref: string): Promise<readonly JsonObject[]> {
  const { body } = await api.demand(200, "GET", `/rules/${ref}/history`);
  return body["data"] as readonly JsonObject[];
}

const condition = (value: string): JsonObject => ({ field: "level", operator: "equals", value });

test("the history of a rule lists its versions with who made them, the newest first", async () => {
  const ref = "p.listed";
  await api.demand(201, "POST", "/rules", { ...rule, ref });
  await api.demand(200, "PATCH", `/rules/${ref}`, { conditions: [condition("high")] });
  await api.demand(200, "POST", `/rules/${ref}/disable`);
  await query(api.database, "update rule set label = 'by hand' where ref = 'p.listed'");
  await api.demand(200, "DELETE", `/rules/${ref}`);

  expect(await history(ref)).toMatchObject([
    { operation: "deleted", changed: [], changed_by: "api:somebody", definition: null },
    { operation: "changed", changed: ["label"], changed_by: "sql:attune" },
    { operation: "changed", changed: ["enabled"], changed_by: "api:somebody" },
    { operation: "changed", changed: ["conditions"], changed_by: "api:somebody" },
    { operation: "created", changed: [], changed_by: "api:somebody", definition: { enabled: true } },
  ]);
});

test("two versions differ field by field", async () => {
  const ref = "p.differing";
  await api.demand(201, "POST", "/rules", { ...rule, ref, conditions: [condition("low")] });
  await api.demand(200, "PATCH", `/rules/${ref}`, {
    conditions: [condition("high"), { field: "host", operator: "exists" }],
    action_params: { "a b": 1 },
  });
  const [newest, oldest] = await history(ref);

  const { data } = await api.demand(200, "GET", `/rules/${ref}/history/diff`);
  expect(data).toEqual({
    ref,
    from: oldest?.["version"],
    to: newest?.["version"],
    differences: [
      { field: "conditions[0].value", from: "low", to: "high" },
      { field: "conditions[1]", to: { field: "host", operator: "exists" } },
      { field: 'action_params["a b"]', to: 1 },
    ],
  });
  await api.demand(404, "GET", `/rules/${ref}/history/diff?from=999999`);
});

test("a rule is what it was in a version again, through the same checks as any change", async () => {
  const ref = "p.reverted";
  await api.demand(201, "POST", "/rules", { ...rule, ref, conditions: [condition("low")] });
  await api.demand(200, "PATCH", `/rules/${ref}`, { conditions: [condition("high")], enabled: false });
  const [, first] = await history(ref);
  const version = Number(first?.["version"]);

  const { data } = await api.demand(200, "POST", `/rules/${ref}/revert`, { version });
  expect(data).toMatchObject({ ref, enabled: true, conditions: [condition("low")] });
  expect((await history(ref))[0]).toMatchObject({
    operation: "changed",
    changed_by: `api:somebody (revert to version ${version})`,
  });
  expect(
    (await api.call("POST", `/rules/${ref}/revert`, { body: { version }, token: "viewer" })).status,
  ).toBe(403);
  await api.demand(404, "POST", `/rules/${ref}/revert`, { version: 999_999 });

  // Its action is gone: a version is no way around the checks.
  await query(
    api.database,
    'update rule_version set definition = definition || \'{"action_ref": "p.gone"}\'',
  );
  await api.demand(422, "POST", `/rules/${ref}/revert`, { version });
});

test("a deleted rule is made again, and both have one history", async () => {
  const ref = "p.deleted";
  await api.demand(201, "POST", "/rules", { ...rule, ref, conditions: [condition("low")] });
  const { data: deleted } = await api.demand(200, "DELETE", `/rules/${ref}`);
  const [deletion, first] = await history(ref);

  const { data } = await api.demand(200, "POST", `/rules/${ref}/revert`, {
    version: first?.["version"] ?? null,
  });
  expect(data).toMatchObject({ ref, conditions: [condition("low")] });
  expect(data["id"]).not.toBe(deleted["id"]);
  expect((await history(ref)).map(({ operation }) => operation)).toEqual(["created", "deleted", "created"]);
  await api.demand(409, "POST", `/rules/${ref}/revert`, { version: deletion?.["version"] ?? null });
});

test("a version from before a rule was deleted and made again is what the new one becomes", async () => {
  const ref = "p.again";
  await api.demand(201, "POST", "/rules", { ...rule, ref, conditions: [condition("low")] });
  const [first] = await history(ref);
  await api.demand(200, "DELETE", `/rules/${ref}`);
  const { data: made } = await api.demand(201, "POST", "/rules", {
    ...rule,
    ref,
    conditions: [condition("high")],
  });

  const { data } = await api.demand(200, "POST", `/rules/${ref}/revert`, {
    version: first?.["version"] ?? null,
  });

  expect(data).toMatchObject({ id: made["id"], ref, conditions: [condition("low")] });
  expect((await history(ref)).map(({ operation }) => operation)).toEqual([
    "changed",
    "created",
    "deleted",
    "created",
  ]);
});

test("a pack load is recorded with the pack", async () => {
  const body = {
    packs: [
      {
        fields: { ref: "q", label: "Q" },
        definitions: [{ kind: "rule", fields: { ref: "q.rule", trigger_ref: "p.one", action_ref: "p.act" } }],
      },
    ],
  };
  await api.demand(200, "POST", "/packs/import", body);

  expect(await history("q.rule")).toMatchObject([
    { operation: "created", changed_by: "pack:q (api:somebody)" },
  ]);
});
