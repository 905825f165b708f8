/** `/triggers` over HTTP: their rules, their webhooks, and what a sensor's token may read. */
import { expect, test } from "vitest";
import { query } from "../../support/platform-rows.ts";
import { definitionsApi, givePack, rule, type Answer } from "../../support/definitions-api.ts";

const refsOf = ({ body }: Answer, key = "items") => (body[key] as { ref: string }[]).map(({ ref }) => ref);

test("a trigger is created, changed, disabled and removed", async () => {
  await using api = await definitionsApi();
  const { demand } = api;

  const created = await demand(201, "POST", "/triggers", {
    ref: "made.here",
    label: "Made",
    param_schema: { type: "object" },
    permission_set_refs: null,
  });
  expect(created.data).toMatchObject({
    ref: "made.here",
    label: "Made",
    pack: null,
    pack_ref: null,
    enabled: true,
    is_adhoc: true,
    param_schema: { type: "object" },
    out_schema: {},
    webhook_enabled: false,
    webhook_key: null,
  });
  expect((await demand(200, "GET", "//triggers/made.here")).data).toEqual(created.data);
  const schema = { type: "object", properties: {} };
  expect((await demand(200, "PATCH", "/triggers/made.here", { output: schema })).data).toMatchObject({
    out_schema: schema,
    param_schema: { type: "object" },
  });
  expect((await demand(200, "POST", "/triggers/made.here/disable")).data).toMatchObject({ enabled: false });
  await demand(422, "POST", "/triggers", { ref: "made.too", param_schema: [] });
  await demand(409, "POST", "/triggers", { ref: "made.here" });
  await demand(200, "DELETE", "/triggers/made.here");
  await demand(404, "GET", "/triggers/made.here/rules");
});

test("a trigger in use is kept, and its users are named", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);
  const runtime_ref = "core.sensor.python";
  const sensor = { ref: "p.sensor", pack_ref: "p", runtime_ref, entrypoint: "s.py", protocol: "stream" };
  await api.demand(201, "POST", "/sensors", { ...sensor, trigger_refs: ["p.two", "p.one"] });

  const refused = await api.demand(409, "DELETE", "/triggers/p.one");

  expect(refused.body).toEqual({
    error: "The trigger p.one is in use by rule p.rule, sensor p.sensor.",
    code: "CONFLICT",
    details: [
      { parameter: "p.rule", problem: "this rule refers to it" },
      { parameter: "p.sensor", problem: "this sensor refers to it" },
    ],
  });
  await api.demand(200, "DELETE", "/rules/p.rule");
  await api.demand(200, "PATCH", "/sensors/p.sensor", { trigger_refs: ["p.two"] });
  await api.demand(200, "DELETE", "/triggers/p.one");
});

test("all rules of a trigger come in one answer, under exactly one key, with trigger_params as an object", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await query(
    api.database,
    `insert into rule (ref, action_ref, trigger, trigger_ref, enabled, trigger_params)
     select 'r.' || n, 'core.noop', trigger.id, trigger.ref, n % 2 = 0, case when n % 3 = 0 then '[]'::jsonb else '{"n": 1}' end
       from generate_series(1, 250) as n, trigger where trigger.ref = 'p.one'`,
  );

  const answer = await api.demand(200, "GET", "/triggers/p%2Eone/rules");

  expect(Object.keys(answer.body)).toEqual(["data"]);
  const rules = answer.body["data"] as { id: number; trigger_params: unknown; enabled: boolean }[];
  expect(rules).toHaveLength(250);
  expect(rules.every(({ id }) => Number.isInteger(id))).toBe(true);
  expect(rules.every(({ trigger_params }) => !Array.isArray(trigger_params))).toBe(true);
  expect(refsOf(await api.demand(200, "GET", "//triggers/p.one/rules?enabled=true"), "data")).toHaveLength(
    125,
  );
});

test("webhooks get a key, keep it while they are disabled, and get another on demand", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;

  await demand(409, "POST", "/triggers/p.one/webhooks/regenerate");
  const enabled = await demand(200, "POST", "/triggers/p.one/webhooks/enable");
  const key = enabled.data["webhook_key"];
  expect(enabled.data).toMatchObject({
    webhook_enabled: true,
    webhook_key: expect.stringMatching(/^wh_[\w-]{43}$/),
  });
  expect((await demand(200, "POST", "/triggers/p.one/webhooks/enable")).data).toEqual(enabled.data);
  expect((await demand(200, "POST", "/triggers/p.one/webhooks/disable")).data).toMatchObject({
    webhook_enabled: false,
    webhook_key: key,
  });
  expect((await demand(200, "POST", "/triggers/p.one/webhooks/enable")).data).toMatchObject({
    webhook_key: key,
  });
  const renewed = await demand(200, "POST", "/triggers/p.one/webhooks/regenerate");
  expect(renewed.data["webhook_key"]).toMatch(/^wh_/);
  expect(renewed.data["webhook_key"]).not.toBe(key);

  const seen = await api.call("GET", "/triggers/p.one", { token: "viewer" });
  expect(seen.data).toMatchObject({ webhook_enabled: true, webhook_key: null });
  expect(JSON.stringify((await api.call("GET", "/triggers", { token: "viewer" })).body)).not.toContain("wh_");
  await demand(404, "POST", "/triggers/p.none/webhooks/enable");
});

test("a sensor reads its triggers and their rules only, and nobody but an admin changes anything", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.foreign", trigger_ref: "p.two" });
  const as = (token: string, method: string, path: string, body = {}) =>
    api.call(method, path, method === "GET" ? { token } : { token, body });
  const token = "sensor/p.one/p.later";

  expect(refsOf(await as(token, "GET", "/rules"))).toEqual(["p.rule"]);
  expect(refsOf(await as(token, "GET", "//rules?trigger_ref=p.one&enabled=true"))).toEqual(["p.rule"]);
  expect(refsOf(await as(token, "GET", "/triggers"))).toEqual(["p.one"]);
  expect(refsOf(await as(token, "GET", "/triggers/p.one/rules"), "data")).toEqual(["p.rule"]);
  for (const [path, status] of [
    ["/rules/p.rule", 200],
    ["/rules?trigger_ref=p.later", 200],
    ["/rules?trigger_type=p.two", 403],
    ["/rules/p.foreign", 403],
    ["/triggers/p.two", 403],
    ["/triggers/p.two/rules", 403],
    ["/sensors", 403],
    ["/packs", 403],
    ["/actions/p.act", 403],
    ["/runtimes", 403],
  ] as const) {
    expect([path, (await as(token, "GET", path)).status]).toEqual([path, status]);
  }
  for (const [method, path] of [
    ["POST", "/rules"],
    ["PATCH", "/rules/p.rule"],
    ["PUT", "//rules/p.rule"],
    ["DELETE", "/rules/p.rule"],
    ["POST", "/rules/p.rule/disable"],
    ["POST", "/triggers/p.one/webhooks/enable"],
    ["POST", "/packs"],
    ["DELETE", "/sensors/p.sensor"],
  ] as const) {
    for (const other of [token, "viewer", "worker"]) {
      expect([other, method, path, (await as(other, method, path)).status]).toEqual([
        other,
        method,
        path,
        403,
      ]);
    }
    expect((await as("nobody", method, path)).status).toBe(401);
  }
  expect((await as("viewer", "GET", "/rules/p.foreign")).status).toBe(200);
  expect((await as("worker", "GET", "/rules")).status).toBe(403);
});
