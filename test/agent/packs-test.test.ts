import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommandLine } from "../../src/agent/cli.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";

/** Without a configuration: the tests of packs need none. */
async function run(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly output: string; readonly complaint: string }> {
  let output = "";
  let complaint = "";
  const code = await runCommandLine({
    args: ["packs", "test", ...args],
    environment: { ATTUNE_CONFIG: "/nonexistent/config.yaml" },
    ignoresHangup: false,
    print: (text) => void (output += text),
    hasReader: () => true,
    complain: (text) => void (complaint += text),
  });
  return { code, output, complaint };
}

const { "rules/noted.yaml": noted = "", ...withoutRules } = demoPack;
const hotPack = {
  ...withoutRules,
  "rules/hot.yaml": `
ref: hot
trigger: tick
action: note
enabled: false
conditions: { field: celsius, operator: greater_than, value: 30 }
action_params: { text: "{{ event.payload.celsius }} degrees", celsius: "{{ event.payload.celsius }}" }
`,
};

const cases = `
- name: a warm day
  trigger: tick
  payload: { celsius: 30.50 }
  matches: { hot: { celsius: 30.5, text: 30.50 degrees } }
- name: a cold day
  trigger: demo.tick
  payload: { celsius: 3 }
  matches: []
`;

test("cases pass if exactly the expected rules match with the expected parameters, enabled or not", async () => {
  await using pack = await packFolder({ ...hotPack, "tests/hot.yaml": cases });

  expect(await run(pack.directory)).toMatchObject({ code: 0, output: "2 passed, 0 failed\n" });
});

test("a case with a misspelt trigger fails, even if it expects no match", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "tests/hot.yaml": cases.replace("demo.tick", "demo.tik"),
  });

  const { code, output } = await run(pack.directory);
  expect(code).toBe(1);
  expect(output).toContain(
    "demo.tik is not a trigger of these packs or their rules; did you mean demo.tick?",
  );
});

test("a failed case names its place and the reason", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "tests/hot.yaml": cases.replace("30.50", '"31"').replace("celsius: 3 ", "celsius: 40 "),
  });

  const { code, output } = await run(pack.directory);

  expect(code).toBe(1);
  expect(output).toBe(
    `FAILED ${pack.directory}/tests/hot.yaml:2 a warm day
       demo.hot does not match: conditions: \`celsius\` is the text "31", which is never greater than the number 30 (the sensor sends the number as text; let it send a number)
FAILED ${pack.directory}/tests/hot.yaml:6 a cold day
       demo.hot matches, which the case does not expect
0 passed, 2 failed
`,
  );
});

test("other parameters, missing parameters and unknown rules are failures", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "tests/hot.yaml": `
- trigger: tick
  payload: { celsius: 31 }
  matches: { hot: { text: hot, colour: red }, cold: }
`,
  });

  expect((await run(pack.directory)).output).toBe(
    `FAILED ${pack.directory}/tests/hot.yaml:2 case 1
       demo.cold is not a rule of these packs
       demo.hot matches, but its parameter text is "31 degrees", not "hot"
       demo.hot matches, but its parameters have no colour
0 passed, 1 failed
`,
  );
});

test("a misspelt rule is a failure with a suggestion, also if the event is for it and nothing should match", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "tests/hot.yaml": `
- { trigger: tick, payload: { celsius: 31 }, matches: [hto, hot] }
- { trigger: tick, rule: hto, payload: { celsius: 31 }, matches: [] }
`,
  });

  const { code, output } = await run(pack.directory);

  expect(code).toBe(1);
  const reason = "demo.hto is not a rule of these packs; did you mean demo.hot?";
  expect(output).toBe(
    `FAILED ${pack.directory}/tests/hot.yaml:2 case 1
       ${reason}
FAILED ${pack.directory}/tests/hot.yaml:3 case 2
       ${reason}
0 passed, 2 failed
`,
  );
});

test("an event for one rule matches no other, and rules without a case are listed", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "rules/noted.yaml": noted,
    "tests/hot.yaml": "[{ trigger: tick, rule: hot, payload: { celsius: 31 }, matches: [hot] }]",
  });

  expect(await run(pack.directory)).toMatchObject({
    code: 0,
    output: "no case matches demo.noted\n1 passed, 0 failed\n",
  });
});

test("what cannot be read fails with file and line", async () => {
  await using pack = await packFolder({
    ...demoPack,
    "tests/a.yaml": "- trigger: tick\n  match: [noted]\n",
    "tests/b.yaml": "trigger: tick\n",
    "tests/c.yaml": "- [",
  });
  const { directory } = pack;

  const { code, output } = await run(directory);

  expect(code).toBe(1);
  expect(output).toContain(`problem: ${directory}/tests/a.yaml:1 matches is required\n`);
  expect(output).toContain(`problem: ${directory}/tests/a.yaml:2 match is not a known key`);
  expect(output).toContain(`problem: ${directory}/tests/b.yaml:1 must be a list of cases\n`);
  expect(output).toContain(`problem: ${directory}/tests/c.yaml:1 `);
});

test("a pack without tests, and an invalid pack, end with one error", async () => {
  await using pack = await packFolder(demoPack);

  const untested = await run(pack.directory);
  expect(untested.code).toBe(1);
  expect(untested.complaint).toContain(
    "there is no file in the folder tests; write a case into tests/rules.yaml",
  );
  await pack.write("rules/noted.yaml", "ref: noted\n");
  const broken = await run(pack.directory);
  expect(broken.code).toBe(1);
  expect(broken.complaint).toContain("rules/noted.yaml:1 trigger is required");
});

test("JSON and JUnit reports carry places and failures", async () => {
  await using pack = await packFolder({
    ...hotPack,
    "tests/hot.yaml": cases.replace("a cold day", "a cold day & <night>").replace("30.50 }", "3 }"),
  });
  const { directory } = pack;

  const json = await run(directory, "--format", "json");
  expect(json.code).toBe(1);
  expect(parseJson(json.output)).toMatchObject({
    cases: [
      { name: "a warm day", pack: "demo", file: `${directory}/tests/hot.yaml`, line: 2, passed: false },
      { name: "a cold day & <night>", passed: true, failures: [] },
    ],
    untested: [],
  });
  const { output } = await run(directory, "--format", "junit");
  expect(output).toContain('<testsuite name="demo" tests="2" failures="1">');
  expect(output).toContain('<failure message="demo.hot does not match: conditions: `celsius` is 3');
  expect(output).toContain('name="a cold day &amp; &lt;night&gt;"');
});

test("the formats of packs test work nowhere else", async () => {
  await using pack = await packFolder(demoPack);

  expect(await run(pack.directory, "--format", "github")).toMatchObject({
    code: 2,
    complaint: expect.stringContaining("error: --format github only works with packs check"),
  });
});

test("the example packs pass their own tests, which match every rule", async () => {
  const packs = join(import.meta.dirname, "../../packs");
  const names = (await readdir(packs)).filter((name) => name !== "core");

  const { code, output } = await run(...names.map((name) => join(packs, name)));

  expect(output).toMatch(/^\d+ passed, 0 failed\n$/);
  expect(code).toBe(0);
});
