/**
 * Goal: what was posted is what is answered, digit by digit, and a walk through a list meets every entry once.
 * Method: fast-check chooses JSON texts; answers are compared as parsed without loss of digits.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { areEqual } from "../../../src/model/json/equality.ts";
import { parseJson } from "../../../src/model/json/json-text.ts";
import { isJsonObject, type JsonValue } from "../../../src/model/json/json.ts";
import { jsonTexts } from "../../support/json-texts.ts";
import { query } from "../../support/platform-rows.ts";
import { definitionsApi, givePack, rule, type Answer } from "../../support/definitions-api.ts";

const exact =
  '{"big":9007199254740993,"huge":1e400,"tiny":1e-400,"long":0.1000000000000000055511151231257827}';

function expectSame(found: JsonValue | undefined, text: string): void {
  const given = parseJson(text);
  // Compared by value: the database writes 1e2 as 100.
  expect(areEqual(found ?? null, given) ? given : found).toEqual(given);
}

test("numbers keep every digit, in every JSON field of every kind", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const condition = `[{"field":"n","operator":"equals","value":9007199254740993}]`;
  const cases = [
    ["/packs", `"ref":"q"`, ["config", "meta", "conf_schema"]],
    ["/triggers", `"ref":"p.three"`, ["param_schema", "out_schema"]],
    ["/actions", `"ref":"p.more"`, ["param_schema", "out_schema"]],
    [
      "/runtimes",
      `"ref":"p.lisp","name":"Lisp","runtime_type":"action"`,
      ["distributions", "execution_config"],
    ],
    [
      "/sensors",
      `"ref":"p.s","pack_ref":"p","runtime_ref":"python","entrypoint":"s.py","trigger_ref":"p.one"`,
      ["config", "param_schema", "placement"],
    ],
    [
      "/rules",
      `"ref":"p.r","trigger_ref":"p.one","action_ref":"p.act","conditions":${condition}`,
      ["trigger_params", "action_params"],
    ],
  ] as const;
  for (const [path, fixed, fields] of cases) {
    const body = `{${fixed},${fields.map((field) => `"${field}":${exact}`).join(",")}}`;
    const created = await api.call("POST", path, { body });
    expect([path, created.status, created.body["details"]]).toEqual([path, 201, undefined]);
    const ref = String(/"ref":"([^"]+)"/.exec(fixed)?.[1]);
    const read = await api.demand(200, "GET", `${path}/${ref}`);
    for (const field of fields) {
      expectSame(read.data[field], exact);
      expectSame(created.data[field], exact);
    }
    const changed = await api.call("PATCH", `${path}/${ref}`, {
      body: `{"${fields[0]}":{"n":12345678901234567890}}`,
    });
    expectSame(changed.data[fields[0]], '{"n":12345678901234567890}');
    for (const field of fields.slice(1)) expectSame(changed.data[field], exact);
  }
  expectSame((await api.demand(200, "GET", "/rules/p.r")).data["conditions"], condition);
}, 60_000);

test("what was posted as parameters is what is answered, whatever it was", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  await api.demand(201, "POST", "/rules", rule);

  await fc.assert(
    fc.asyncProperty(jsonTexts, async (text) => {
      const body = `{"trigger_params":{"value":${text}}}`;
      const { status, data } = await api.call("PATCH", "/rules/p.rule", { body });
      expect([status, text]).toEqual([200, text]);
      const read = await api.call("GET", "/rules/p.rule");
      expect(read.data).toEqual(data);
      const params = read.data["trigger_params"];
      expectSame(isJsonObject(params) ? params["value"] : undefined, text);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test.each(["/packs", "/runtimes", "/triggers", "/actions", "/rules", "/sensors"])(
  "a walk through %s meets every entry once while others are added",
  async (path) => {
    await using api = await definitionsApi();
    await givePack(api);
    const table = path.slice(1, -1);
    const needed: Readonly<Record<string, string>> = {
      runtime: ", runtime_type, name) select 'w.' || lpad(n::text, 3, '0'), 'sensor', 'W'",
      rule: ", action_ref, trigger_ref) select 'w.' || lpad(n::text, 3, '0'), 'p.act', 'p.one'",
      sensor: ", runtime_ref, trigger_ref) select 'w.' || lpad(n::text, 3, '0'), 'x', 'p.one'",
    };
    const add = (from: number, to: number) =>
      query(
        api.database,
        `insert into ${table} (ref${needed[table] ?? ") select 'w.' || lpad(n::text, 3, '0')"} from generate_series(${from}, ${to}) as n`,
      );
    await add(1, 60);
    const before = await query<{ ref: string }>(api.database, `select ref from ${table} order by id`);

    const met: string[] = [];
    let answer: Answer;
    let page = 0;
    do {
      page += 1;
      answer = await api.demand(200, "GET", `${path}?page=${page}&page_size=7`);
      met.push(...(answer.body["items"] as { ref: string }[]).map(({ ref }) => ref));
      if (page < 5) await add(100 + page * 10, 104 + page * 10);
    } while ((answer.body["pagination"] as { has_next: boolean }).has_next);

    expect(new Set(met).size).toBe(met.length);
    expect(met.slice(0, before.length)).toEqual(before.map(({ ref }) => ref));
    expect(met).toHaveLength(before.length + 20);
    const sorted = await api.demand(200, "GET", `${path}?sort=-ref&limit=1000`);
    const refs = (sorted.body["items"] as { ref: string }[]).map(({ ref }) => ref);
    expect(refs.filter((ref) => ref.startsWith("w."))).toEqual(
      met.filter((ref) => ref.startsWith("w.")).toSorted((one, other) => (one < other ? 1 : -1)),
    );
  },
);
