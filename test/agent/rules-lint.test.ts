/** `rules lint` on pack folders, and on stored rules through the API of a database of its own. */
import { relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../src/agent/cli.ts";
import { rowOf } from "../../src/database/statement.ts";
import { storeMemory } from "../../src/database/statements/schema-memory.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import type { JsonObject } from "../../src/model/json/json.ts";
import { memoryJson } from "../../src/model/schema-memory/memory-json.ts";
import { memoryOf } from "../../src/model/schema-memory/payload-memory.ts";
import { definitionsApi, type DefinitionsApi } from "../support/definitions-api.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";
import { insertRule, insertTrigger, query } from "../support/platform-rows.ts";

let api: DefinitionsApi;
beforeAll(async () => {
  api = await definitionsApi();
});
afterAll(() => api[Symbol.asyncDispose]());

async function lint(...args: readonly string[]): Promise<{
  readonly code: number;
  readonly output: string;
  readonly complaint: string;
}> {
  let output = "";
  let complaint = "";
  const code = await runCommandLine({
    args: ["rules", "lint", ...args],
    environment: {
      ATTUNE_CONFIG: "/nonexistent/config.yaml",
      ATTUNE_API_URL: api.address,
      ATTUNE_API_TOKEN: "admin",
    },
    ignoresHangup: false,
    print: (text) => void (output += text),
    hasReader: () => true,
    complain: (text) => void (complaint += text),
  });
  return { code, output, complaint };
}

const doubtfulPack = {
  ...demoPack,
  "triggers/tick.yaml":
    "ref: tick\nout_schema:\n  properties: { level: { enum: [low, high] }, text: { type: string } }\n",
  "rules/loud.yaml": `ref: loud
trigger: tick
action: note
conditions:
  - { field: level, operator: equals, value: High }
  - { field: text, operator: matches, value: /^a/ }
  - { field: text, operator: starts_with, value: b }
  - { field: text, operator: starts_with, value: b }
action_params:
  text: "{{ event.payload.txet }}"
`,
  "rules/owned.yaml": "ref: owned\ntrigger: tick\naction: note\nowner: me\n",
};

test("a pack with mistakes: each with file, line and suggestion, and the exit code 1", async () => {
  await using pack = await packFolder(doubtfulPack);
  const loud = `${pack.directory}/rules/loud.yaml`;

  const { code, output, complaint } = await lint(pack.directory);

  expect([code, complaint]).toEqual([1, ""]);
  expect(output)
    .toBe(`warning: ${loud}:5 conditions.0 can never hold, because by the trigger's out_schema \`level\` is "low" or "high"; did you mean "high"?
warning: ${loud}:6 conditions.1.value has slashes around the pattern, which match literally; remove them, and put flags in front, like (?i)
warning: ${loud}:6 conditions.1.value can never match: it has ^, the beginning, after something else; remove it, or write \\^ for the character itself
warning: ${loud}:8 conditions.3 repeats conditions[2]; remove one of them
warning: ${loud}:10 action_params.text reads \`txet\`, which the trigger's out_schema does not declare; did you mean \`text\`?
warning: ${pack.directory}/rules/owned.yaml:4 has keys that are ignored: owner
3 rules read, 0 problems, 6 warnings
`);
});

test("a file is linted alone, by the triggers of its pack, with everything as JSON", async () => {
  await using pack = await packFolder({
    ...doubtfulPack,
    "rules/quiet.yaml":
      "ref: quiet\ntrigger: tick\naction: note\nconditions: { field: lvel, operator: exists }\n",
  });
  const file = `${pack.directory}/rules/quiet.yaml`;

  const { code, output } = await lint(file, "--format", "json");
  const fromInside = await lint(relative(process.cwd(), file));

  expect([code, fromInside.code]).toEqual([1, 1]);
  expect(parseJson(output)).toEqual({
    rules: ["demo.quiet"],
    problems: [],
    warnings: [
      {
        rule: "demo.quiet",
        file,
        line: 4,
        field: "conditions.field",
        reason: "is `lvel`, which the trigger's out_schema does not declare; did you mean `level`?",
        suggestion: "did you mean `level`?",
      },
    ],
  });
});

test("a clean pack, and a clean file beside others with mistakes, end with 0", async () => {
  await using clean = await packFolder(demoPack);
  await using mixed = await packFolder(doubtfulPack);
  const summary = "1 rule read, 0 problems, 0 warnings\n";

  expect(await lint(clean.directory)).toEqual({ code: 0, output: summary, complaint: "" });
  expect(await lint(`${mixed.directory}/rules/noted.yaml`)).toMatchObject({ code: 0, output: summary });
});

test("what cannot be read, or is no rule, ends with 2; the rest is linted all the same", async () => {
  await using broken = await packFolder({ ...demoPack, "rules/noted.yaml": "ref: noted\n" });
  await using pack = await packFolder(doubtfulPack);

  const { code, output } = await lint(broken.directory, pack.directory);

  expect(code).toBe(2);
  expect(output).toContain(`problem: ${broken.directory}/rules/noted.yaml:1 trigger is required\n`);
  expect(output).toContain(`warning: ${pack.directory}/rules/loud.yaml:5 `);
  await pack.write("rules/wrong.yaml", "ref: wrong\ntrigger: tick\naction: note\nconditions: { field: a }\n");
  await pack.write("rules/noted.yaml", "ref: noted\n");
  const mixed = await lint(pack.directory);
  expect(mixed.code).toBe(2);
  expect(mixed.output).toContain(`problem: ${pack.directory}/rules/wrong.yaml:4 conditions`);
  expect(mixed.output).toContain(`problem: ${pack.directory}/rules/noted.yaml:1 trigger is required\n`);
  expect(mixed.output).toContain(`warning: ${pack.directory}/rules/loud.yaml:10 `);
  expect(mixed.output).toContain("\n2 rules read, 3 problems, 6 warnings\n");
  expect(await lint(`${pack.directory}/triggers/tick.yaml`)).toMatchObject({
    code: 2,
    output: expect.stringContaining(
      `problem: ${pack.directory}/triggers/tick.yaml is not a rule's file in the folder rules of a pack\n`,
    ),
  });
  expect(await lint("./nowhere")).toMatchObject({
    code: 2,
    output: expect.stringContaining("problem: ./nowhere does not exist; give the folder of a pack\n"),
  });
  for (const [target, problem] of [
    ["nowhere.yaml", "nowhere.yaml does not exist"],
    [`${pack.directory}/pack.yaml`, "pack.yaml is not a rule's file in the folder rules of a pack"],
    [`${pack.directory}/rules`, `has no pack.yaml; did you mean ${pack.directory}?`],
    ["-", "problem: standard input is not read, because a rule needs its pack's folder"],
  ] as const) {
    const refused = await lint(target);
    expect(refused).toMatchObject({ code: 2, output: expect.stringContaining(problem) as unknown });
    expect(refused.output).toMatch(/\n0 rules read, 1 problem, 0 warnings\n$/);
  }
  expect((await lint()).code).toBe(2);
});

async function remember(triggerRef: string, payload: JsonObject, samples: number): Promise<void> {
  await rowOf(api.database, storeMemory, {
    triggerRef,
    sampleIds: [],
    content: JSON.stringify(memoryJson({ ...memoryOf(payload, 0), samples })),
    drifts: "[]",
  });
}

test("a stored rule is held against its trigger's schema and what payloads looked like", async () => {
  await insertTrigger(api.database, "garden.reading");
  await query(
    api.database,
    `update trigger set out_schema = '{"properties": {"unit": {"enum": ["C", "F"]}, "rare": {}}, "additionalProperties": true}'
      where ref = 'garden.reading'`,
  );
  await insertRule(api.database, {
    ref: "garden.hot",
    triggerRef: "garden.reading",
    conditions: [
      { field: "celcius", operator: "greater_than", value: 30 },
      { field: "unit", operator: "equals", value: "c" },
      { field: "rare", operator: "not_exists" },
    ],
    actionParams: { text: "{{ event.payload.sensor.place }}: {{ celsius }}" },
  });
  const bySchema = `warning: garden.hot conditions.1 can never hold, because by the trigger's out_schema \`unit\` is "C" or "F"; did you mean "C"?
`;

  await remember("garden.reading", { celsius: 31, unit: "C", sensor: { plaice: "shed" } }, 49);
  expect((await lint("garden.hot")).output).toBe(`${bySchema}1 rule read, 0 problems, 1 warning\n`);

  await remember("garden.reading", { celsius: 31, unit: "C", sensor: { plaice: "shed" } }, 50);
  const { code, output } = await lint("garden.hot");
  expect(code).toBe(1);
  expect(output)
    .toBe(`warning: garden.hot conditions.0.field is \`celcius\`, which neither the trigger's out_schema nor any of 50 payloads seen has; did you mean \`celsius\`?
${bySchema}warning: garden.hot action_params.text reads \`sensor.place\`, which neither the trigger's out_schema nor any of 50 payloads seen has; did you mean \`sensor.plaice\`?
1 rule read, 0 problems, 3 warnings
`);
  expect(parseJson((await lint("garden.hot", "--format", "json")).output)).toMatchObject({
    rules: ["garden.hot"],
    warnings: [
      { rule: "garden.hot", file: null, line: null, field: "conditions.0.field" },
      { field: "conditions.1", suggestion: 'did you mean "C"?' },
      { field: "action_params.text", suggestion: "did you mean `sensor.plaice`?" },
    ],
  });
});

test("a stored rule that is missing or invalid ends with 2, a clean one with 0", async () => {
  await insertTrigger(api.database, "garden.door");
  await insertRule(api.database, { ref: "garden.open", triggerRef: "garden.door" });
  await insertRule(api.database, {
    ref: "garden.broken",
    triggerRef: "garden.door",
    conditions: [{ field: "open", operator: "equal", value: true }],
  });

  expect(await lint("garden.open")).toMatchObject({
    code: 0,
    output: "1 rule read, 0 problems, 0 warnings\n",
  });
  const { code, output } = await lint("garden.gone", "garden.broken", "garden.open");
  expect(code).toBe(2);
  expect(output).toMatch(/^problem: could not read the rule garden\.gone through the API/);
  expect(output).toContain('problem: garden.broken conditions.0.operator "equal" is not an operator');
  expect(output).toContain("2 rules read, 2 problems, 0 warnings\n");
});

test("without an agent to ask, a stored rule cannot be read", async () => {
  const { code, output } = await lint("garden.hot", "--api", "http://127.0.0.1:1");

  expect(code).toBe(2);
  expect(output).toContain("problem: could not read the rule garden.hot through the API");
});
