/** `/rules` over HTTP, with a real PostgreSQL. */
import { expect, test } from "vitest";
import { query } from "../../support/platform-rows.ts";
import { definitionsApi, givePack, rule } from "../../support/definitions-api.ts";

test("a rule is created, read by ref and by id, changed, disabled, enabled and deleted", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;

  const created = await demand(201, "POST", "/rules", {
    ...rule,
    conditions: { field: "x", operator: "exists" },
  });
  const { id } = created.data;
  expect(created.data).toEqual({
    id,
    ref: "p.rule",
    label: "p.rule",
    description: null,
    pack: expect.any(Number),
    pack_ref: "p",
    trigger: expect.any(Number),
    trigger_ref: "p.one",
    action: expect.any(Number),
    action_ref: "p.act",
    enabled: true,
    is_adhoc: true,
    conditions: { field: "x", operator: "exists" },
    trigger_params: {},
    action_params: {},
    created: expect.stringMatching(/Z$/),
    updated: created.data["created"],
  });
  const read = await demand(200, "GET", "/rules/p.rule");
  expect(read.data).toEqual(created.data);
  expect(read.headers.get("etag")).toBe(created.headers.get("etag"));
  expect((await demand(200, "GET", `/rules/${JSON.stringify(id)}`)).data).toEqual(created.data);
  expect((await demand(200, "GET", "//rules/p%2Erule")).data).toEqual(created.data);

  const changed = await demand(200, "PATCH", "/rules/p.rule", { trigger_ref: "p.two", description: "two" });
  expect(changed.data).toMatchObject({
    trigger_ref: "p.two",
    description: "two",
    conditions: { field: "x", operator: "exists" },
  });
  expect(changed.data["trigger"]).not.toBe(created.data["trigger"]);
  const cleared = await demand(200, "PATCH", "/rules/p.rule", { description: null, conditions: null });
  expect(cleared.data).toMatchObject({ description: null, conditions: null, trigger_ref: "p.two" });

  expect((await demand(200, "POST", "/rules/p.rule/disable")).data).toMatchObject({ enabled: false });
  expect((await demand(200, "POST", "/rules/p.rule/enable")).data).toMatchObject({ enabled: true });
  const deleted = await demand(200, "DELETE", "/rules/p.rule");
  expect(deleted.body).toMatchObject({ data: { id, ref: "p.rule" }, success: true });
  await demand(404, "GET", "/rules/p.rule");
  await demand(404, "DELETE", "/rules/p.rule");
});

test("a misspelt field of a change is refused, and a field for other programs is ignored", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);

  const refused = await api.demand(422, "PATCH", "/rules/p.rule", { enabld: false });

  expect(refused.body["details"]).toEqual([
    { parameter: "enabld", problem: expect.stringContaining("enabled") as unknown },
  ]);
  await api.demand(200, "PATCH", "/rules/p.rule", { x_color: "red" });
});

test("a rule is tried on a payload: whether it matches, or which condition failed", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand, call } = api;
  await demand(201, "POST", "/rules", {
    ...rule,
    enabled: false,
    conditions: [{ field: "celsius", operator: "less_than", value: 0 }],
    action_params: { text: "{{ payload.celsius }} °C" },
  });
  const tested = (body: string, token = "viewer") =>
    call("POST", "/rules/p.rule/test", { body, token, headers: { "content-type": "application/json" } });

  expect((await tested('{"payload": {"celsius": 14}}')).data).toMatchObject({
    verdict: "unmatched",
    sentence: expect.stringContaining("p.rule does not match: conditions[0]: `celsius` is 14"),
    failures: [{ place: "conditions[0]", operator: "less_than", expected: 0, seen: 14 }],
    would_match_if: expect.stringContaining("below 0"),
    parameters: null,
  });
  expect((await tested('{"payload": {"celsius": -2}}')).data).toMatchObject({
    verdict: "matched",
    failures: [],
    parameters: { text: "-2 °C" },
  });
  expect((await tested('{"payload": [1]}')).status).toBe(422);
  expect((await tested('{"payload": {}}', "sensor/p.one")).status).toBe(403);
  await demand(404, "POST", "/rules/p.gone/test", { payload: {} });
  await demand(200, "DELETE", "/rules/p.rule");
  await demand(404, "POST", "/rules/p.rule/test", { payload: {} });
});

test("every problem of a body is named by field, in one answer", async () => {
  await using api = await definitionsApi();
  await givePack(api);

  const refused = await api.demand(422, "POST", "/rules", {
    ref: "no spaces please",
    pack_ref: "nowhere",
    trigger_type: "p.onne",
    action_ref: "p.act",
    enabled: "yes",
    trigger_params: [],
  });
  expect(refused.body["code"]).toBe("VALIDATION_FAILED");
  expect(refused.body["details"]).toEqual([
    { parameter: "ref", problem: expect.stringContaining("letters, digits") },
    { parameter: "enabled", problem: expect.stringContaining("true or false") },
    { parameter: "trigger_params", problem: expect.stringContaining("a mapping") },
    { parameter: "pack_ref", problem: "names the pack nowhere, which does not exist" },
  ]);

  const unusable = await api.demand(422, "POST", "/rules", {
    ...rule,
    trigger_ref: "p.onne",
    conditions: [{ field: "x", operator: "near", value: 1 }],
    action_params: { text: "{{ event.payload. }}" },
    trigger_params: { text: "\u0000" },
  });
  expect(unusable.body["details"]).toEqual([
    { parameter: "conditions.0.operator", problem: expect.any(String) },
    { parameter: "action_params.text", problem: expect.any(String) },
    {
      parameter: "trigger_ref",
      problem: "names the trigger p.onne, which does not exist; did you mean p.one?",
    },
    { parameter: "trigger_params", problem: expect.stringContaining("cannot be stored") },
  ]);
  await api.demand(422, "POST", "/rules", []);
  await api.demand(422, "POST", "/rules");
  expect((await api.call("POST", "/rules", { body: "{" })).status).toBe(400);
  expect((await api.demand(200, "GET", "/rules")).body["items"]).toEqual([]);
});

test("a change is checked as a new rule is; what it does not name stays, also if it is not valid", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);

  for (const [body, parameter] of [
    [{ conditions: [{ field: "x", operator: "near" }] }, "conditions.0.operator"],
    [{ action_ref: "p.nothing" }, "action_ref"],
    [{ trigger: "p.nothing" }, "trigger"],
    [{ label: null }, "label"],
    [{ enabled: null }, "enabled"],
    [{ trigger_params: null }, "trigger_params"],
    [{ ref: "p.other" }, "ref"],
    [{ pack_ref: "q" }, "pack_ref"],
  ] as const) {
    const refused = await api.demand(422, "PATCH", "/rules/p.rule", body);
    expect(refused.body["details"]).toEqual([{ parameter, problem: expect.any(String) }]);
  }

  await query(
    api.database,
    `update rule set conditions = '[{"field": "x", "operator": "near"}]', trigger_params = '[]', trigger_ref = 'gone'`,
  );
  const changed = await api.demand(200, "PATCH", "/rules/p.rule", { label: "Kept" });
  expect(changed.data).toMatchObject({
    label: "Kept",
    conditions: [{ field: "x", operator: "near" }],
    trigger_params: {},
    trigger_ref: "gone",
  });
  await api.demand(200, "POST", "/rules/p.rule/disable");
  expect((await api.demand(200, "GET", "/rules/p.rule")).data).toMatchObject({ enabled: false });
});

test("an answer can be sent back changed, by PUT as by PATCH", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { data } = await api.demand(201, "POST", "/rules", rule);

  const put = await api.demand(200, "PUT", "/rules/p.rule", { ...data, label: "Put" });

  expect(put.data).toEqual({ ...data, label: "Put", updated: put.data["updated"] });
});

test("a ref that exists is a conflict", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);

  const refused = await api.demand(409, "POST", "/rules", rule);

  expect(refused.body).toMatchObject({ code: "CONFLICT", error: "There is a rule p.rule already." });
});

test("a change under an outdated version is refused, and of two at once exactly one succeeds", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { headers } = await api.demand(201, "POST", "/rules", rule);
  const etag = headers.get("etag") ?? "";

  const change = (label: string) =>
    api.call("PATCH", "/rules/p.rule", { body: { label }, headers: { "if-match": etag } });
  const both = await Promise.all([change("one"), change("two")]);
  expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 412]));
  const winner = both.find(({ status }) => status === 200);
  const read = await api.demand(200, "GET", "/rules/p.rule");
  expect(read.data).toEqual(winner?.data);
  expect(read.headers.get("etag")).toBe(winner?.headers.get("etag"));

  for (const [method, path] of [
    ["DELETE", "/rules/p.rule"],
    ["POST", "/rules/p.rule/disable"],
    ["PATCH", "/rules/p.rule"],
  ] as const) {
    const late = await api.call(method, path, { body: {}, headers: { "if-match": etag } });
    expect([method, late.status, late.body["code"]]).toEqual([method, 412, "PRECONDITION_FAILED"]);
  }
  const current = read.headers.get("etag") ?? "";
  const weak = await api.call("DELETE", "/rules/p.rule", { headers: { "if-match": `W/${current}` } });
  expect(weak.status).toBe(412);
  const listed = await api.call("DELETE", "/rules/p.rule", { headers: { "if-match": `"x", ${current}` } });
  expect(listed.status).toBe(200);
});

test("nothing is written where nothing differs: not the row, its revision or a message", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { data, headers } = await api.demand(201, "POST", "/rules", { ...rule, trigger_params: { n: 1.5 } });
  const state = () =>
    query(
      api.database,
      "select (select count(*)::int from outbox) as owed, (select value from rule_revision)",
    );
  const before = await state();

  for (const [method, path, body] of [
    ["PATCH", "/rules/p.rule", { label: "p.rule", trigger_params: { n: 1.5 }, trigger_ref: "p.one" }],
    ["PATCH", "/rules/p.rule", {}],
    ["POST", "/rules/p.rule/enable", undefined],
  ] as const) {
    const answer = await api.demand(200, method, path, body);
    expect(answer.data).toEqual(data);
    expect(answer.headers.get("etag")).toBe(headers.get("etag"));
  }
  expect(await state()).toEqual(before);

  const changed = await api.demand(200, "PATCH", "/rules/p.rule", { trigger_params: { n: 2 } });
  expect(changed.data["updated"]).not.toBe(data["updated"]);
  expect(await state()).not.toEqual(before);
});

test("rules are filtered by trigger, under both of its names, by action, pack and state", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.a" });
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.b", trigger_ref: "p.two", enabled: false });
  await api.demand(201, "POST", "/actions", { ref: "other" });
  await api.demand(201, "POST", "/rules", { ...rule, ref: "adhoc", pack_ref: null, action_ref: "other" });
  const refs = async (filter: string) => {
    const { body } = await api.demand(200, "GET", `/rules?${filter}`);
    return (body["items"] as { ref: string }[]).map(({ ref }) => ref);
  };

  expect(await refs("trigger_ref=p.one&enabled=true")).toEqual(["p.a", "adhoc"]);
  expect(await refs("trigger_type=p.two")).toEqual(["p.b"]);
  expect(await refs("action_ref=other")).toEqual(["adhoc"]);
  expect(await refs("pack_ref=p&sort=-ref")).toEqual(["p.b", "p.a"]);
  expect(await refs("enabled=false")).toEqual(["p.b"]);
  expect(await refs("is_adhoc=false")).toEqual([]);
  expect(await refs("page_size=1000")).toHaveLength(3);
  await api.demand(422, "GET", "/rules?enabled=perhaps");
});

test("rules are found by a text in their own names, their trigger's or their action's", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.a", label: "Night shift" });
  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.b", trigger_ref: "p.two" });
  const refs = async (text: string) => {
    const { body } = await api.demand(200, "GET", `/rules?sort=ref&q=${encodeURIComponent(text)}`);
    return (body["items"] as { ref: string }[]).map(({ ref }) => ref);
  };

  expect(await refs("night")).toEqual(["p.a"]);
  expect(await refs("P.TWO")).toEqual(["p.b"]);
  expect(await refs(rule.action_ref)).toEqual(["p.a", "p.b"]);
  expect(await refs("nothing")).toEqual([]);
  await api.demand(422, "GET", "/rules?q=");
});

test("a list says when each rule last matched, if it is asked to", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  for (const ref of ["p.long_ago", "p.often", "p.once", "p.never"])
    await api.demand(201, "POST", "/rules", { ...rule, ref });
  await query(
    api.database,
    `insert into enforcement (id, rule, rule_ref, trigger_ref, event, created)
     select case when rule.ref = 'p.once' then 20000000 else n end, rule.id, rule.ref, 'p.one', n, timestamptz '2026-01-01' + n * interval '1 s'
       from rule, generate_series(1, 20001) as n
      where (rule.ref = 'p.often' and n > 1)
         or (rule.ref = 'p.once' and n = 7)
         or (rule.ref = 'p.long_ago' and n = 1)`,
  );
  const matches = async (parameters: string) => {
    const { body } = await api.demand(200, "GET", `/rules?sort=ref${parameters}`);
    return (body["items"] as Record<string, unknown>[]).map(({ ref, last_matched_at: at }) => [ref, at]);
  };

  expect(await matches("&include=last_match")).toEqual([
    ["p.long_ago", null],
    ["p.never", null],
    ["p.often", "2026-01-01T05:33:21.000Z"],
    ["p.once", "2026-01-01T00:00:07.000Z"],
  ]);
  expect(await matches("")).toEqual([
    ["p.long_ago", undefined],
    ["p.never", undefined],
    ["p.often", undefined],
    ["p.once", undefined],
  ]);
});

test("impossible params of a timer are refused when a rule is created, changed or moved to a timer", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await query(
    api.database,
    "insert into trigger (ref, label) values ('core.crontimer', 'Cron') on conflict do nothing",
  );
  const refusal = (problem: string) => [{ parameter: "trigger_params.expression", problem }];
  const timer = (expression: string) => ({ trigger_params: { expression, timezone: "Europe/Berlin" } });
  const trigger_ref = "core.crontimer";

  const refused = await api.demand(422, "POST", "/rules", { ...rule, trigger_ref, ...timer("0 0 30 2 *") });
  expect(refused.body["details"]).toEqual(refusal("never happens: 0 0 30 2 *"));
  await api.demand(201, "POST", "/rules", { ...rule, trigger_ref, ...timer("0 0 29 2 *") });
  const changed = await api.demand(422, "PATCH", "/rules/p.rule", timer("0 25 * * *"));
  expect(changed.body["details"]).toEqual(refusal("has the hour 25, which is not from 0 to 23"));

  await api.demand(201, "POST", "/rules", { ...rule, ref: "p.other" });
  const moved = await api.demand(422, "PATCH", "/rules/p.other", { trigger_ref });
  expect(moved.body["details"]).toEqual(refusal("is required"));
  await api.demand(200, "PATCH", "/rules/p.other", { trigger_ref, ...timer("@daily") });
});

test("a webhook that another enabled rule answers with other settings is refused, however the rule comes to it", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await query(
    api.database,
    "insert into trigger (ref, label) values ('core.webhook', 'Webhook') on conflict do nothing",
  );
  const hook = { ...rule, trigger_ref: "core.webhook" };
  const open = { path: "in", method: ["POST", "PUT"] };
  const signed = { path: "/in/", secret: "p.secret" };
  const problem = (ref: string, method = "POST"): string =>
    `${method} /webhooks/in is also the rule ${ref}'s, with other settings; rules with one path need equal ones`;
  const refusal = (ref: string) => [{ parameter: "trigger_params.path", problem: problem(ref) }];

  await api.demand(201, "POST", "/rules", { ...hook, ref: "p.first", trigger_params: open });
  const created = await api.demand(422, "POST", "/rules", {
    ...hook,
    ref: "p.second",
    trigger_params: signed,
  });
  expect(created.body["details"]).toEqual(refusal("p.first"));
  // Equal settings share the path; other methods and disabled rules do not meet it.
  await api.demand(201, "POST", "/rules", { ...hook, ref: "p.like", trigger_params: { path: "in" } });
  await api.demand(201, "POST", "/rules", {
    ...hook,
    ref: "p.get",
    trigger_params: { ...signed, method: ["GET"] },
  });
  await api.demand(201, "POST", "/rules", {
    ...hook,
    ref: "p.off",
    trigger_params: signed,
    enabled: false,
  });

  const changed = await api.demand(422, "PATCH", "/rules/p.get", { trigger_params: signed });
  expect(changed.body["details"]).toEqual(refusal("p.first"));
  const switched = await api.demand(409, "POST", "/rules/p.off/enable");
  expect(switched.body["error"]).toBe(`The rule p.off stays disabled: ${problem("p.first")}.`);
  expect((await api.demand(422, "PATCH", "/rules/p.off", { enabled: true })).body["details"]).toEqual(
    refusal("p.first"),
  );
  // A conflict that plain SQL made does not stop other changes.
  await query(api.database, "update rule set enabled = true where ref = 'p.off'");
  await api.demand(200, "PATCH", "/rules/p.off", { label: "Still off" });
  for (const ref of ["p.first", "p.like"]) await api.demand(200, "POST", `/rules/${ref}/disable`);
  await api.demand(200, "POST", "/rules/p.off/enable");
});
