import { expect, test } from "vitest";
import { runCommandLine } from "../../src/agent/cli.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";

/** Without a configuration: the check needs none. */
async function check(
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly output: string }> {
  let output = "";
  const print = (text: string): void => void (output += text);
  const environment = { ATTUNE_CONFIG: "/nonexistent/config.yaml" };
  const code = await runCommandLine({
    args: ["packs", "check", ...args],
    environment,
    ignoresHangup: false,
    hasReader: () => true,
    print,
    complain: print,
  });
  return { code, output };
}

test("valid packs are read, and nothing else is accessed", async () => {
  await using pack = await packFolder(demoPack);

  expect(await check(pack.directory)).toEqual({ code: 0, output: "1 pack read, 0 problems, 0 warnings\n" });
  expect(await check(pack.directory, "--format", "github")).toEqual({ code: 0, output: "" });
});

test("references to other packs are listed, and missing definitions of this one are problems", async () => {
  await using pack = await packFolder({
    ...demoPack,
    "rules/foreign.yaml": "ref: foreign\ntrigger: other.happened\naction: other.act\n",
  });

  expect((await check(pack.directory)).output).toBe(
    "must be in the database: trigger other.happened, action other.act\n1 pack read, 0 problems, 0 warnings\n",
  );
  await pack.write("rules/noted.yaml", "ref: noted\ntrigger: tik\naction: note\n");
  const { code, output } = await check(pack.directory);
  expect(code).toBe(1);
  expect(output).toContain(
    `problem: ${pack.directory}/rules/noted.yaml:2 trigger names the trigger demo.tik`,
  );
  expect(output).toContain("did you mean demo.tick?");
});

test("every problem and warning is reported in each format", async () => {
  await using pack = await packFolder({
    ...demoPack,
    "triggers/tick.yaml": "ref: tick\nowner: 100% me\n",
    "rules/noted.yaml":
      "ref: noted\ntrigger: tick\naction: note\nconditions: [{ field: a, operator: eq, value: .inf }]\n",
    "actions/note.yaml": "ref: [note]\n",
  });
  const { directory } = pack;

  const text = await check(directory);
  expect(text.code).toBe(1);
  expect(text.output).toContain(
    `problem: ${directory}/rules/noted.yaml:4 conditions.0.value is an infinite number (.inf)`,
  );
  expect(text.output).toContain(`problem: ${directory}/actions/note.yaml:1 ref must be`);
  expect(text.output).toContain(
    `warning: ${directory}/triggers/tick.yaml:2 has keys that are ignored: owner\n`,
  );
  expect(text.output).toContain("2 problems, 1 warning\n");

  const report = JSON.parse((await check(directory, "--format", "json")).output);
  expect(report.problems).toHaveLength(2);
  expect(report.problems[0]).toMatchObject({ directory, file: expect.any(String), line: expect.any(Number) });

  const { code, output } = await check(directory, "--format", "github");
  expect(code).toBe(1);
  const lines = output.trimEnd().split("\n");
  expect(lines.every((line) => /^::(?:error|warning) file=[^,:]+,line=[1-9]\d*::./.test(line))).toBe(true);
  expect(lines.filter((line) => line.startsWith("::error "))).toHaveLength(2);
});

test("a folder that is no pack is one problem", async () => {
  const { code, output } = await check("/nonexistent/pack");

  expect(code).toBe(1);
  expect(output).toMatch(/^problem: \/nonexistent\/pack/);
});

test("rules that contradict their trigger's schema are warned of, with file and line", async () => {
  await using pack = await packFolder({
    ...demoPack,
    "triggers/tick.yaml":
      "ref: tick\nout_schema:\n  type: object\n  properties: { level: { enum: [low, high] } }\n  required: [level]\n",
    "rules/noted.yaml": `ref: noted
trigger: tick
action: note
conditions:
  - { field: level, operator: equals, value: High }
  - { field: lvel, operator: exists }
action_params:
  text: "{{ event.payload.levle }}"
`,
  });
  const file = `${pack.directory}/rules/noted.yaml`;

  const { code, output } = await check(pack.directory);

  expect(code).toBe(0);
  expect(output)
    .toBe(`warning: ${file}:5 conditions.0 can never hold, because by the trigger's out_schema \`level\` is in every payload and is "low" or "high"; did you mean "high"?
warning: ${file}:6 conditions.1.field is \`lvel\`, which the trigger's out_schema does not declare; did you mean \`level\`?
warning: ${file}:8 action_params.text reads \`levle\`, which the trigger's out_schema does not declare; did you mean \`level\`?
1 pack read, 0 problems, 3 warnings
`);
});
