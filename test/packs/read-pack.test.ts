import { chmod, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Definition, Pack } from "../../src/packs/pack.ts";
import { readPack } from "../../src/packs/read-pack.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";

async function accepted(changes: Readonly<Record<string, string>> = {}) {
  await using folder = await packFolder({ ...demoPack, ...changes });
  const report = await readPack(folder.directory);
  if (report.kind === "rejected") throw new Error(JSON.stringify(report.problems));
  return {
    pack: report.pack,
    warnings: report.warnings.map(({ file, line, reason }) => `${file}:${line} ${reason}`),
  };
}

/** The problems as `file:line field reason`. */
async function problems(changes: Readonly<Record<string, string>>): Promise<readonly string[]> {
  await using folder = await packFolder({ ...demoPack, ...changes });
  const report = await readPack(folder.directory);
  if (report.kind === "accepted") return [];
  return report.problems.map(({ file, line, field, reason }) => `${file}:${line} ${field ?? "-"} ${reason}`);
}

function definition({ definitions }: Pack, kind: string): Definition {
  const found = definitions.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
}

test("refs are completed with the pack's, and fields with their defaults", async () => {
  const { pack } = await accepted();

  expect(definition(pack, "sensor")).toMatchObject({
    ref: "demo.clock",
    row: {
      label: "demo.clock",
      runtime_ref: "demo.ruby",
      trigger_ref: "demo.tick",
      further_triggers: ["demo.tock"],
      enabled: true,
      config: {},
      poll_interval: null,
    },
  });
  expect(definition(pack, "rule").row).toMatchObject({
    ref: "demo.noted",
    trigger_ref: "demo.tick",
    action_ref: "demo.note",
    conditions: null,
  });
});

test("the field names of older packs mean the same", async () => {
  const { pack, warnings } = await accepted({
    "sensors/clock.yaml":
      'ref: demo.clock\nentry_point: clock.rb\nrunner_type: Python3\ntrigger_types: [demo.tick]\nparameters: { a: {} }\nruntime_version: ">=3.9,<4"\n',
    "rules/noted.yaml": "ref: noted\ntrigger_ref: demo.tick\naction_ref: demo.note\n",
  });

  expect(warnings).toEqual([`sensors/clock.yaml:1 ${noProtocol}`]);
  expect(definition(pack, "sensor").row).toMatchObject({
    entrypoint: "clock.rb",
    runtime_ref: "core.sensor.python",
    trigger_ref: "demo.tick",
    param_schema: { a: {} },
    protocol: "standalone",
    runtime_version_constraint: ">=3.9,<4",
  });
});

test.each([
  ["sh", "core.sensor.shell"],
  ["nodejs", "core.sensor.nodejs"],
  ["ruby", "demo.ruby"],
  ["perl", "core.sensor.perl"],
  ["other.sensor.php", "other.sensor.php"],
])("the runtime %s is the row %s", async (written, ref) => {
  const { pack } = await accepted({
    "sensors/clock.yaml": `ref: clock\nentrypoint: clock.rb\nruntime: ${written}\ntrigger: tick\n`,
  });

  expect(definition(pack, "sensor").row["runtime_ref"]).toBe(ref);
});

test("all problems in all files are reported together, with file, line and field", async () => {
  const found = await problems({
    "sensors/clock.yaml": "ref: clock\nentrypoint: clock.rb\nruntime: ruby\npoll_interval: soon\n",
    "rules/noted.yaml":
      "ref: noted\ntrigger: tick\naction: note\nconditions:\n  - { field: a, operator: equal, value: 1 }\naction_params:\n  text: '{{ event.paylod }}'\n",
    "triggers/tick.yaml": "ref: other.tick\nenabeld: false\n",
    "triggers/tock.yaml": "ref: [tock\n",
    "actions/same.yaml": "ref: demo.note\n",
  });

  expect(found.map((text) => text.split(" ").slice(0, 2).join(" ")).toSorted()).toEqual([
    "actions/same.yaml:1 ref",
    "rules/noted.yaml:5 conditions.0.operator",
    "rules/noted.yaml:7 action_params.text",
    "sensors/clock.yaml:1 triggers",
    "sensors/clock.yaml:4 poll_interval",
    "triggers/tick.yaml:2 enabeld",
    "triggers/tock.yaml:2 -",
  ]);
  expect(found).toContain(
    'sensors/clock.yaml:4 poll_interval must be a number above 0 to 1000000, not "soon"',
  );
  expect(found).toContain("triggers/tick.yaml:2 enabeld is not a known key; did you mean enabled?");
});

test("a definition cannot claim another pack's name", async () => {
  expect(await problems({ "triggers/tick.yaml": "ref: core.tick\n" })).toContain(
    "triggers/tick.yaml:1 ref must begin with this pack's ref, like demo.tick",
  );
});

test("a field for other programs is a warning and not a problem", async () => {
  const { warnings } = await accepted({ "actions/note.yaml": "ref: note\nworker_selector: {}\n" });

  expect(warnings).toEqual(["actions/note.yaml:2 has keys that are ignored: worker_selector"]);
});

test("a template without quotes is refused by file, line and field", async () => {
  const rule = `ref: noted
trigger: tick
action: note
action_params:
  message: {{ event.payload.x }}
  list:
    - fine
    - { text: {{event.payload.y}} }
  quoted: "{{ event.payload.z }}"
`;
  const advice = 'put the template in quotes: "{{ … }}"';

  expect(await problems({ "rules/noted.yaml": rule })).toEqual([
    `rules/noted.yaml:5 action_params.message is a template without quotes; ${advice}`,
    `rules/noted.yaml:8 action_params.list.1.text is a template without quotes; ${advice}`,
  ]);
});

test.each([["{{ event.payload.x }} degrees"], ['{{ event.payload["x"] }}']])(
  "a template without quotes that is no YAML either is told as such: %s",
  async (text) => {
    const rule = `ref: noted\ntrigger: tick\naction: note\naction_params:\n  message: ${text}\n`;

    expect(await problems({ "rules/noted.yaml": rule })).toEqual([
      expect.stringMatching(
        /^rules\/noted\.yaml:5 - .+; if this is a template, put the template in quotes: "\{\{ … \}\}"$/,
      ),
    ]);
  },
);

test("a timer that can never fire is refused by file, line and field", async () => {
  const rule = (triggerParams: string) => ({
    "rules/noted.yaml": `ref: noted\ntrigger: core.crontimer\naction: note\ntrigger_params:\n${triggerParams}`,
  });

  expect(await problems(rule('  timezone: Europe/Berlin\n  expression: "0 0 30 2 *"\n'))).toEqual([
    "rules/noted.yaml:6 trigger_params.expression never happens: 0 0 30 2 *",
  ]);
  expect(
    await problems(rule('  expression: "0 3 * * *"\n  exclude:\n    - 2026-12-24\n    - someday\n')),
  ).toEqual([expect.stringMatching(/^rules\/noted\.yaml:8 trigger_params\.exclude\.1 must be a date /)]);
  expect(await problems(rule("  timezone: UTC\n"))).toEqual([
    expect.stringMatching(/^rules\/noted\.yaml:\d trigger_params\.expression is required$/),
  ]);
});

test("a key that is not a string is refused", async () => {
  const rule = "ref: noted\ntrigger: tick\naction: note\naction_params:\n  ? [a, b]\n  : 1\n";

  expect(await problems({ "rules/noted.yaml": rule })).toEqual([
    "rules/noted.yaml:5 action_params has a key that is not a string",
  ]);
});

const noProtocol =
  "is missing, so what the sensor prints is only its log; " +
  "write stream or poll if it prints its events, or standalone if it posts them to the API";

test("a sensor without a protocol is a standalone one, with a warning, since the author may not have meant it", async () => {
  const clock = "ref: clock\nentrypoint: clock.rb\nruntime: python\ntrigger: tick\n";

  const unsaid = await accepted({ "sensors/clock.yaml": clock });
  const said = await accepted({ "sensors/clock.yaml": `${clock}protocol: standalone\n` });
  const builtin = await accepted({
    "sensors/clock.yaml": "ref: clock\nentrypoint: timers\nruntime: builtin\ntrigger: tick\n",
  });

  expect(definition(unsaid.pack, "sensor").row).toMatchObject({ protocol: "standalone" });
  expect(unsaid.warnings).toEqual([`sensors/clock.yaml:1 ${noProtocol}`]);
  expect([said.warnings, builtin.warnings]).toEqual([[], []]);
});

test("a field given under two names is a problem", async () => {
  const clock = "ref: clock\nentrypoint: clock.rb\nentry_point: b.rb\nruntime: ruby\ntrigger: tick\n";

  expect(await problems({ "sensors/clock.yaml": clock })).toEqual([
    "sensors/clock.yaml:3 entry_point is also given as entrypoint; keep one",
  ]);
});

test.each([
  ["missing.rb", "ruby", "missing.rb, which does not exist"],
  ["../pack.yaml", "ruby", "leads out of the pack's folder sensors"],
  ["link.rb", "ruby", "is a link that leads out of the pack"],
  ["clock.rb", "native", "must be executable"],
  ['""', "ruby", "is required"],
])("the entrypoint %s for %s is refused: %s", async (entrypoint, runtime, reason) => {
  await using folder = await packFolder({
    ...demoPack,
    "sensors/clock.yaml": `ref: clock\nentrypoint: ${entrypoint}\nruntime: ${runtime}\ntrigger: tick\n`,
  });
  await symlink("/bin/sh", join(folder.directory, "sensors/link.rb"));

  const report = await readPack(folder.directory);

  expect(report).toMatchObject({
    kind: "rejected",
    problems: [
      {
        file: "sensors/clock.yaml",
        line: 2,
        field: "entrypoint",
        reason: expect.stringContaining(reason) as unknown,
      },
    ],
  });
});

test.each([
  ["#!/usr/bin/python3\r\nprint('{}')\r\n", "has Windows line endings: the carriage return"],
  ["#!/bin/sh\r\n", "convert it, for example with: sed -i"],
  ["\uFEFF#!/bin/sh\n", "begins with a byte order mark"],
  ["echo '{}'\n", "is neither a binary nor a script with a first line like #!/bin/sh"],
  ["", "is neither a binary nor a script"],
  ["#!\n", "has a first line that names no program"],
  ["#! python3\n", "names python3 without its path: write for example #!/usr/bin/env python3"],
])("the native script %j is refused: %s", async (text, reason) => {
  await using folder = await packFolder({
    ...demoPack,
    "sensors/clock.yaml": "ref: clock\nentrypoint: clock\nruntime: native\nprotocol: stream\ntrigger: tick\n",
    "sensors/clock": text,
  });
  await chmod(join(folder.directory, "sensors/clock"), 0o755);

  const report = await readPack(folder.directory);

  expect(report).toMatchObject({
    kind: "rejected",
    problems: [{ line: 2, field: "entrypoint", reason: expect.stringContaining(reason) as unknown }],
  });
});

test.each(["#!/bin/sh\necho '{}'\n", "#! /usr/bin/env -S python3 -u\n", "\x7fELF"])(
  "the native program %j is accepted",
  async (text) => {
    await using folder = await packFolder({
      ...demoPack,
      "sensors/clock.yaml":
        "ref: clock\nentrypoint: clock\nruntime: native\nprotocol: stream\ntrigger: tick\n",
      "sensors/clock": text,
    });
    await chmod(join(folder.directory, "sensors/clock"), 0o755);

    expect(await readPack(folder.directory)).toMatchObject({ kind: "accepted", warnings: [] });
  },
);

test("a shell script with Windows line endings is warned of; an interpreter that reads them is not", async () => {
  const sensor = (runtime: string): string =>
    `ref: clock\nentrypoint: clock.sh\nruntime: ${runtime}\nprotocol: stream\ntrigger: tick\n`;
  const script = { "sensors/clock.sh": "echo '{}'\r\nexit 0\r\n" };

  const shell = await accepted({ ...script, "sensors/clock.yaml": sensor("shell") });
  const python = await accepted({ ...script, "sensors/clock.yaml": sensor("python") });

  expect(shell.warnings).toEqual([expect.stringContaining("has Windows line endings")]);
  expect(python.warnings).toEqual([]);
});

test("settings of poll sensors are warned of where the protocol is stream", async () => {
  const sensor = (protocol: string): string =>
    `ref: clock\nentrypoint: clock.py\nruntime: python\nprotocol: ${protocol}\ntrigger: tick\n` +
    "poll_interval: 5\ntimeout: 5\nsuccess_exit_codes: [0, 1]\n";
  const script = { "sensors/clock.py": "" };

  const stream = await accepted({ ...script, "sensors/clock.yaml": sensor("stream") });
  const poll = await accepted({ ...script, "sensors/clock.yaml": sensor("poll") });

  const reason =
    "has no effect: only sensors with the protocol poll use it, and this one has the protocol stream";
  expect(stream.warnings).toEqual([
    `sensors/clock.yaml:6 ${reason}`,
    `sensors/clock.yaml:7 ${reason}`,
    `sensors/clock.yaml:8 ${reason}`,
  ]);
  expect(poll.warnings).toEqual([]);
});

test("packs of other programs cost one warning a file for ignored keys, after those about sensors", async () => {
  await using folder = await packFolder({
    ...demoPack,
    "actions/note.yaml":
      "ref: note\nrunner_type: python\nentry_point: note.py\npermissions: []\ntimeout: 3\nlabels: {}\nlabel: Note\n",
    "sensors/clock.yaml":
      "ref: clock\nentrypoint: clock.rb\nruntime: ruby\ntrigger: tick\nlog_retention_limit: 3\n",
  });

  const { warnings } = await readPacks([folder.directory]);

  expect(warnings.map(({ file, kind, reason }) => [file, kind, reason])).toEqual([
    ["sensors/clock.yaml", "sensor-doubtful", noProtocol],
    [
      "actions/note.yaml",
      "keys-ignored",
      "has keys that are ignored: permissions, timeout, labels (did you mean label?)",
    ],
    ["sensors/clock.yaml", "keys-ignored", "has keys that are ignored: log_retention_limit"],
  ]);
});

test("a runtime that could never be verified is refused", async () => {
  expect(await problems({ "runtimes/ruby.yaml": "ref: ruby\nname: Ruby\n" })).toEqual([
    "runtimes/ruby.yaml:1 - distributions.verification has neither commands nor always_available",
  ]);
});

test("a mistake in pack.yaml hides none in the other files", async () => {
  const found = await problems({
    "pack.yaml": "ref: demo\nversion: 1\n",
    "triggers/tick.yaml": "label: Tick\n",
  });

  expect(found.some((problem) => problem.startsWith("pack.yaml:2 version"))).toBe(true);
  expect(found).toContain("triggers/tick.yaml:1 ref is required");
});

test("a file in place of a folder, and an unreadable folder of definitions, are reported as such", async () => {
  await using folder = await packFolder({
    "pack.yaml": "ref: demo\n",
    triggers: "a file where a folder should be\n",
  });

  expect(await readPack(`${folder.directory}/pack.yaml`)).toMatchObject({
    problems: [{ file: null, reason: `is not a folder; did you mean ${folder.directory}?` }],
  });
  expect(await readPack(folder.directory)).toMatchObject({
    problems: [
      {
        directory: `${folder.directory}/triggers`,
        file: null,
        reason: expect.stringContaining("ENOTDIR") as unknown,
      },
    ],
  });
});

test("a folder of packs in place of a pack is reported as such", async () => {
  await using folder = await packFolder({
    "garden/pack.yaml": "ref: garden\n",
    "house/pack.yaml": "ref: house\n",
    "house/sensors/README.md": "hello",
    "notes/README.md": "hello",
  });
  const { directory } = folder;

  expect(await readPack(directory)).toMatchObject({
    problems: [
      { file: null, reason: `has no pack.yaml; did you mean ${directory}/garden ${directory}/house?` },
    ],
  });
});

test("a folder of a pack in place of the pack is reported as such", async () => {
  await using folder = await packFolder({ "pack.yaml": "ref: garden\n", "rules/README.md": "hello" });

  expect(await readPack(`${folder.directory}/rules`)).toMatchObject({
    problems: [{ reason: `has no pack.yaml; did you mean ${folder.directory}?` }],
  });
});

test("a folder without pack.yaml is no pack", async () => {
  await using folder = await packFolder({ "README.md": "hello" });

  expect(await readPack(folder.directory)).toMatchObject({
    problems: [{ file: null, reason: "has no pack.yaml; write one, or give the folder of a pack" }],
  });
});

test.each([
  ["sensor", "sensors"],
  ["Sensors", "sensors"],
  ["RULE", "rules"],
  ["action", "actions"],
  ["trigers", "triggers"],
  ["sensros", "sensors"],
])("a folder %s is refused, since %s is read", async (name, meant) => {
  expect(await problems({ [`${name}/clock.yaml`]: "ref: clock\n" })).toEqual([
    `null:1 - has a folder ${name}, whose YAML files are not read; rename it to ${meant}, or to something less similar`,
  ]);
});

test("a link to a misnamed folder is refused too, and a mistake in pack.yaml does not hide it", async () => {
  await using folder = await packFolder({ ...demoPack, "pack.yaml": "label: Demo\n" });
  await symlink(join(folder.directory, "sensors"), join(folder.directory, "Sensor"));

  expect(await readPack(folder.directory)).toMatchObject({
    problems: [
      { file: null, reason: expect.stringContaining("rename it to sensors") as unknown },
      { file: "pack.yaml", field: "ref" },
    ],
  });
});

test("a folder called nearly like one that is read may hold anything that would not be read there", async () => {
  const { warnings } = await accepted({
    "roles/web/tasks/main.yml": "- name: install\n",
    "roles/README.md": "of another program\n",
    "sensor/clock.rb": "puts 1\n",
  });

  expect(warnings).toEqual([]);
});

test("folders for other purposes may lie in a pack, and files with any name", async () => {
  const others = ["docs", "lib", ".git", "node_modules", "options", "workflows", "policies", "test"];
  const { warnings } = await accepted({
    ...Object.fromEntries(others.map((name) => [`${name}/any.yaml`, "a: 1\n"])),
    sensor: "a file\n",
  });

  expect(warnings).toEqual([]);
});

const noted = "ref: noted\ntrigger: tick\naction: note\n";

test.each([
  ["{ field: '$.alerts[0]', operator: exists }", '"$.alerts[0]" begins with "$"; write alerts[0]'],
  [
    "{ field: 'alerts.#.labels.severity', operator: equals, value: critical }",
    "such as alerts[0].labels.severity",
  ],
  ["{ field: trigger.body.x, operator: equals, value: 1 }", '"trigger.body.x" begins with "trigger."'],
  [
    "{ field: labels.app.kubernetes.io/name, operator: equals, value: web }",
    'write labels["app.kubernetes.io/name"]',
  ],
  [
    "{ field: host, operator: equals, value: '{{ event.payload.master }}' }",
    "contains the template {{ event.payload.master }}",
  ],
  [
    "{ field: host, operator: nin, value: [a] }",
    'did you mean "not_in"? Write { "field": "host", "operator": "not_in", "value": [ "a" ] }',
  ],
  [
    "{ field: host, operator: not_contains, value: a }",
    'write { "not": { "field": "host", "operator": "contains", "value": "a" } }',
  ],
  ["{ and: [{ field: host, operator: equals, value: a }] }", 'is called "all" here; write { "all": ['],
  ["{ field: host, operator: equals, value: .inf }", "JSON"],
  ["{ field: host, operator: equals, value: .nan }", "JSON"],
  ["{ field: host, operator: equals, value: !!binary aGk= }", "JSON"],
])("a rule that can never match is refused: %s", async (condition, reason) => {
  expect(await problems({ "rules/noted.yaml": `${noted}conditions: [${condition}]\n` })).toEqual([
    expect.stringMatching(/^rules\/noted\.yaml:4 conditions/),
  ]);
  expect(await problems({ "rules/noted.yaml": `${noted}conditions: [${condition}]\n` })).toEqual([
    expect.stringContaining(reason),
  ]);
});

test("StackStorm's criteria are shown as conditions", async () => {
  const rule = `${noted}criteria:\n  trigger.body.x: { type: eq, pattern: 1 }\n`;

  expect(await problems({ "rules/noted.yaml": rule })).toEqual([
    'rules/noted.yaml:4 criteria is not in the form of a condition; write { "field": "body.x", "operator": "equals", "value": 1 }',
  ]);
});

test("a suggestion can be pasted into the file", async () => {
  const [problem = ""] = await problems({
    "rules/noted.yaml": `${noted}criteria: { trigger.x: { type: nin, pattern: ["a: #b", 'it''s "c"'] } }\n`,
  });
  const suggested = problem.split("; write ")[1] ?? "";

  const { pack } = await accepted({ "rules/noted.yaml": `${noted}conditions:\n  - ${suggested}\n` });
  expect(definition(pack, "rule").row["conditions"]).toEqual([
    { field: "x", operator: "not_in", value: ["a: #b", `it's "c"`] },
  ]);
});

test.each([
  ["- { field: a, operator: equals, value: }", "rules/noted.yaml:5 conditions.0.value is empty"],
  ["- { field: a, operator: not_equals, value }", "rules/noted.yaml:5 conditions.0.value is empty"],
  [
    "- not:\n      field: a\n      operator: contains\n      value:",
    "rules/noted.yaml:8 conditions.0.not.value is empty",
  ],
  [
    "- field: a\n    operator: in\n    value:\n      - 1\n      -",
    "rules/noted.yaml:9 conditions.0.value.1 is empty",
  ],
])("a value that is left empty is no null: %s", async (conditions, problem) => {
  expect(await problems({ "rules/noted.yaml": `${noted}conditions:\n  ${conditions}\n` })).toEqual([
    `${problem}; write null if you mean null, or "" for an empty string`,
  ]);
});

test.each(["null", "~", "Null"])("a value that is written as %s is null", async (value) => {
  const { pack } = await accepted({
    "rules/noted.yaml": `${noted}conditions:\n  - { field: a, operator: equals, value: ${value} }\n  - { field: b, operator: exists, value: }\n`,
  });

  expect(definition(pack, "rule").row["conditions"]).toMatchObject([{ value: null }, { operator: "exists" }]);
});

test("conditions that can be used and look wrong are a warning", async () => {
  const { pack, warnings } = await accepted({
    "rules/noted.yaml": `${noted}conditions: [{ field: labels.team.corp/name, operator: starts_with, value: "" }]\n`,
  });

  expect(definition(pack, "rule").ref).toBe("demo.noted");
  expect(warnings).toEqual([
    expect.stringContaining('rules/noted.yaml:4 "labels.team.corp/name" looks for a key "corp/name"'),
    expect.stringContaining("rules/noted.yaml:4 is an empty string"),
  ]);
});

test.each([
  ["a cycle", "config: &a { again: *a }\n", "contains itself"],
  ["a list in itself", "config: { list: &a [*a] }\n", "contains itself"],
  [
    "depth",
    `config: { list: ${"[".repeat(2_000)}${"]".repeat(2_000)} }\n`,
    "nested more than 500 levels deep",
  ],
  ["an alias of nothing", "config: { word: *a }\n", "is an undefined alias"],
  [
    "aliases of aliases",
    `config:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n${[1, 2, 3, 4, 5, 6]
      .map((n) => `  a${n}: &a${n} [${Array.from({ length: 10 }, () => `*a${n - 1}`).join(", ")}]\n`)
      .join("")}`,
    "uses aliases for more than",
  ],
])("a sensor whose config has %s is one problem", async (_what, config, reason) => {
  const found = await problems({
    "sensors/clock.yaml": `ref: clock\nentrypoint: clock.rb\nruntime: ruby\nprotocol: stream\ntrigger: tick\n${config}`,
  });

  expect(found).toEqual([expect.stringContaining(reason)]);
  expect(found[0]).toMatch(/^sensors\/clock\.yaml:\d+ /);
});

test("a placement that selects no worker in a way that is understood is a problem of its line", async () => {
  const sensor = (placement: string) => ({
    "sensors/clock.yaml": `ref: clock\nentrypoint: clock.rb\nruntime: python\ntrigger: tick\n${placement}`,
  });

  const { pack } = await accepted(sensor("placement: { worker: w2, labels: { zone: a } }\n"));
  const [problem] = await problems(sensor("placement: { labels: { zone: 1 } }\n"));

  expect(definition(pack, "sensor").row).toMatchObject({
    placement: { worker: "w2", labels: { zone: "a" } },
  });
  expect(problem).toContain("the value of the label zone must be text, in quotes");
});
