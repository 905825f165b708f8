/** The JSON Schemas of pack files, with an independent validator, as editors use one. */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Ajv, type ValidateFunction } from "ajv";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { repositoryRoot } from "../../scripts/repository.ts";
import { fieldAliases } from "../../src/model/definition-schemas.ts";
import { editorSchema, editorSchemaNames, type EditorSchemaName } from "../../src/packs/editor-schemas.ts";
import { newPack, newPackLanguages, schemaFiles } from "../../src/packs/new-pack.ts";

function validator(name: EditorSchemaName): ValidateFunction {
  // Other validators ignore what they do not know, such as deprecationMessage.
  return new Ajv({ strict: false, allErrors: true }).compile(editorSchema(name));
}

const validators = new Map(editorSchemaNames.map((name) => [name, validator(name)]));

function problems(name: EditorSchemaName, text: string): readonly string[] {
  const validate = validators.get(name);
  if (validate === undefined || validate(parse(text))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message ?? ""}`);
}

/** The schema that a file names in its first line. */
const named = /^# yaml-language-server: \$schema=(?<path>\S+\/(?<name>\w+)\.json)\n/;

test("schemas/ has the schemas that the code makes", () => {
  for (const { path, text } of schemaFiles())
    expect(readFileSync(join(repositoryRoot, path), "utf8")).toBe(text);
});

test.each(globSync("packs/**/*.{yaml,yml}", { cwd: repositoryRoot }))(
  "%s names its schema and keeps it",
  (file) => {
    const text = readFileSync(join(repositoryRoot, file), "utf8");
    const { path = "", name = "" } = named.exec(text)?.groups ?? {};

    expect(resolve(dirname(join(repositoryRoot, file)), path)).toBe(
      join(repositoryRoot, `schemas/${name}.json`),
    );
    const known = editorSchemaNames.find((each) => each === name);
    expect(known).toBeDefined();
    if (known !== undefined) expect(problems(known, text)).toEqual([]);
  },
);

test.each(newPackLanguages)("the files of a new pack in %s keep their schemas", (language) => {
  const files = newPack("garden", language);
  for (const { path, text } of files.filter((file) => file.path.endsWith(".yaml"))) {
    const { path: schema = "", name = "" } = named.exec(text)?.groups ?? {};
    expect(files.map((file) => file.path)).toContain(join(dirname(path), schema));
    const known = editorSchemaNames.find((each) => each === name);
    expect(known === undefined ? [path] : problems(known, text)).toEqual([]);
  }
});

test.each<readonly [EditorSchemaName, string]>([
  ["rule", "ref: a\ntrigger: t\naction: b\nconditons: []"],
  ["rule", "ref: a\naction: b"],
  ["rule", "ref: a\ntrigger: t\naction: b\nconditions: { field: x, operator: equal, value: 1 }"],
  ["rule", "ref: a\ntrigger: t\naction: b\nconditions: { any: [] }"],
  ["rule", "ref: a\ntrigger: t\naction: b\nconditions: { all: [{ field: x, operator: exists }], any: [] }"],
  ["rule", "ref: a b\ntrigger: t\naction: b"],
  ["sensor", "ref: a\nruntime: python\nentrypoint: a.py\nprotocol: streaming\ntriggers: [t]"],
  ["sensor", "ref: a\nruntime: python\nentrypoint: a.py\ntriggers: []"],
  ["sensor", "ref: a\nruntime: python\nentrypoint: a.py\npoll_interval: 5 s\ntriggers: [t]"],
  ["trigger", "label: no ref"],
  ["pack", "ref: demo\nversion: 1.0"],
  ["action", "ref: a\nentrypoint: [a]"],
  ["test", "trigger: t\nmatches: []"],
  ["test", "[{ trigger: t }]"],
  ["test", "[{ trigger: t, match: [] }]"],
])("an editor marks the mistake in a %s: %j", (name, text) => {
  expect(problems(name, text)).not.toEqual([]);
});

test("older names of fields, one item in place of a list, and nested conditions are accepted", () => {
  expect(problems("sensor", "ref: a\nrunner_type: python\nentry_point: a.py\ntrigger_type: t")).toEqual([]);
  expect(
    problems(
      "rule",
      "ref: a\ntrigger_ref: t\naction_ref: b\ncriteria: { any: [[{ field: x, operator: exists }], { not: { field: y, operator: in, value: [1] } }] }",
    ),
  ).toEqual([]);
  for (const empty of ["null", "{}", "[]"])
    expect(problems("rule", `ref: a\ntrigger: t\naction: b\nconditions: ${empty}`)).toEqual([]);
});

test("every older name is in its schema, marked as such", () => {
  for (const name of editorSchemaNames) {
    if (name === "test") continue;
    for (const [alias, field] of Object.entries(fieldAliases[name])) {
      expect(editorSchema(name)).toHaveProperty(
        ["properties", alias, "deprecationMessage"],
        `the current name is ${field}`,
      );
    }
  }
});
