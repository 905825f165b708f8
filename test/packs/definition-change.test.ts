import { expect, test } from "vitest";
import type { JsonObject } from "../../src/model/json/json.ts";
import { changeOf, fixedProblems } from "../../src/packs/definition-change.ts";

const rule: JsonObject = {
  id: 7,
  ref: "demo.rule",
  pack_ref: "demo",
  label: "Rule",
  description: "Why",
  enabled: true,
  trigger_ref: "demo.trigger",
  trigger_params: {},
  conditions: null,
  action_ref: "demo.action",
  action_params: { text: "hello" },
};
const unusable = [{ field: "level", operator: "near" }];

test("a change writes the columns of the fields that it names, under whatever name, and no other", async () => {
  const change = await changeOf("rule", rule, { label: "Other", trigger_type: "demo.other" });

  expect(change).toMatchObject({ columns: { label: "Other", trigger_ref: "demo.other" }, problems: [] });
  expect(Object.keys(change.columns).toSorted()).toEqual(["label", "trigger_ref"]);
  expect(change.references.map(({ kind, ref }) => [kind, ref])).toEqual([["trigger", "demo.other"]]);
});

test("what a change does not name is not its problem, whether the schema or a later check refuses it", async () => {
  for (const broken of [{ conditions: unusable }, { trigger_params: [] }, { action_params: null }]) {
    const change = await changeOf("rule", { ...rule, ...broken }, { label: "Other" });

    expect(change).toMatchObject({ columns: { label: "Other" }, problems: [] });
  }
});

test("what a change names is its problem, beside a broken field that it does not name", async () => {
  const change = await changeOf("rule", { ...rule, trigger_params: [] }, { conditions: unusable });

  expect(change.problems.map(({ field }) => field)).toEqual(["conditions.0.operator"]);
});

test("another trigger has to accept the params that are there", async () => {
  const params = { schedule: "never" };
  const kept = await changeOf("rule", { ...rule, trigger_params: params }, { label: "Other" });
  const moved = await changeOf("rule", { ...rule, trigger_params: params }, { trigger: "core.crontimer" });

  expect(kept.problems).toEqual([]);
  expect(moved.problems.map(({ field }) => field?.split(".")[0])).toContain("trigger_params");
});

test("null empties a field that may be empty, and is refused for one that may not", async () => {
  const emptied = await changeOf("rule", rule, { description: null });
  const refused = await changeOf("rule", rule, { label: null });

  expect(emptied).toMatchObject({ columns: { description: null }, problems: [] });
  expect(refused.problems).toContainEqual({ field: "label", reason: "must not be null" });
});

test("the record of a pack's last load survives a change of its meta", async () => {
  const meta = { definitions: { rule: ["demo.rule"] }, author: "one" };
  const pack = { ref: "demo", label: "Demo", version: "1.0.0", meta };

  const { columns } = await changeOf("pack", pack, { meta: { author: "another", definitions: {} } });

  expect(columns).toEqual({ meta: { author: "another", definitions: meta.definitions } });
});

test("a ref and a pack can be repeated and not changed", () => {
  expect(fixedProblems("rule", rule, { ref: "demo.rule", pack_ref: "demo" })).toEqual([]);
  expect(fixedProblems("rule", rule, { ref: "demo.other", pack_ref: null })).toEqual([
    { field: "ref", reason: 'cannot be changed; it is "demo.rule"' },
    { field: "pack_ref", reason: 'cannot be changed; it is "demo"' },
  ]);
  expect(fixedProblems("pack", { ref: "demo" }, { pack_ref: "other" })).toEqual([]);
});
