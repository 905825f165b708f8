/**
 * Reads the test files of packs: `tests/*.yaml`, each a list of cases.
 *
 *     - name: a push to main starts a build
 *       trigger: push
 *       payload: { branch: main }
 *       matches:
 *         on_main: { branch: main }
 *
 * `matches` names exactly the rules that the event should match: as a mapping to parameters, as a list of refs, or as `[]`.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Type, type Static } from "typebox";
import { Value } from "typebox/value";
import { schemaProblems, unknownKeys } from "../config/schema-problems.ts";
import { parseYaml, type Path } from "../config/yaml-source.ts";
import { hasCode, messageOf } from "../errors/caught.ts";
import { isJsonArray, type JsonObject } from "../model/json/json.ts";
import { isDefinitionFile } from "../model/definition-schemas.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { ExplainableRule } from "../model/rules/explain-rule.ts";
import type { RuleTestCase } from "../model/rules/rule-test.ts";
import { packNaming, type Naming } from "./names.ts";
import type { Pack } from "./pack.ts";
import type { PackProblem } from "./pack-problem.ts";

/** A case and its place. */
export interface PackTestCase extends RuleTestCase {
  readonly packRef: string;
  readonly directory: string;
  /** Relative to the directory. */
  readonly file: string;
  readonly line: number;
}

export interface PackTests {
  readonly cases: readonly PackTestCase[];
  readonly problems: readonly PackProblem[];
}

const folder = "tests";

const object = Type.Record(Type.String(), Type.Unknown());

export const testCaseSchema = Type.Object({
  name: Type.Optional(Type.String({ minLength: 1, description: "What the case is about, for the report" })),
  trigger: Type.String({ minLength: 1, description: "The event's trigger" }),
  payload: Type.Optional(
    Type.Record(Type.String(), Type.Unknown(), { description: "The event's payload; empty by default" }),
  ),
  rule: Type.Optional(Type.String({ minLength: 1, description: "The only rule that the event is for" })),
  occurred_at: Type.Optional(Type.String({ description: "For templates that use event.occurred_at" })),
  matches: Type.Union(
    [Type.Array(Type.String()), Type.Record(Type.String(), Type.Union([Type.Null(), object]))],
    {
      description:
        "Exactly the rules that should match: a list of refs, or a mapping from refs to parameters; [] for none",
    },
  ),
});

/** The cases of one pack; none if it has no folder `tests`. */
export async function readPackTests(pack: Pack): Promise<PackTests> {
  const { directory } = pack;
  let names: readonly string[];
  try {
    names = (await readdir(join(directory, folder))).filter(isDefinitionFile).toSorted();
  } catch (error) {
    if (hasCode(error, "ENOENT")) return { cases: [], problems: [] };
    const reason = `cannot be read: ${messageOf(error)}`;
    return { cases: [], problems: [{ directory, file: folder, line: 1, field: null, reason }] };
  }
  const files = await Promise.all(names.map((name) => readTestFile(pack, join(folder, name))));
  return {
    cases: files.flatMap(({ cases }) => cases),
    problems: files.flatMap(({ problems }) => problems),
  };
}

/** The rules of packs, as they would be stored. */
export function rulesOf(packs: readonly Pack[]): readonly ExplainableRule[] {
  const rules = packs.flatMap(({ definitions }) => definitions.filter(({ kind }) => kind === "rule"));
  return rules.map(({ ref, row, enabled }, index) => ({
    id: String(index + 1),
    ref,
    triggerRef: textOf(row["trigger_ref"]),
    actionId: null,
    actionRef: textOf(row["action_ref"]),
    conditions: row["conditions"] ?? null,
    triggerParams: row["trigger_params"] ?? {},
    actionParams: row["action_params"] ?? {},
    isEnabled: enabled !== false,
  }));
}

async function readTestFile(pack: Pack, file: string): Promise<PackTests> {
  const { directory, ref: packRef } = pack;
  const problem = (line: number, field: string | null, reason: string): PackProblem => ({
    directory,
    file,
    line,
    field,
    reason,
  });
  let text: string;
  try {
    text = await readFile(join(directory, file), "utf8");
  } catch (error) {
    return { cases: [], problems: [problem(1, null, `cannot be read: ${messageOf(error)}`)] };
  }
  const parsed = parseYaml(text);
  if (parsed.kind === "broken") {
    const problems = parsed.problems.map(({ line, path, reason }) => problem(line, fieldOf(path), reason));
    return { cases: [], problems };
  }
  const { value, lineOf } = parsed.source;
  if (!isJsonArray(value)) return { cases: [], problems: [problem(1, null, "must be a list of cases")] };
  const naming = packNaming(packRef, new Set());
  const cases: PackTestCase[] = [];
  const problems: PackProblem[] = [];
  for (const [index, given] of value.entries()) {
    const found = [...schemaProblems(testCaseSchema, given), ...unknownKeys(testCaseSchema, given)];
    problems.push(
      ...found.map(({ path, reason }) => problem(lineOf([index, ...path]), fieldOf(path), reason)),
    );
    if (found.length > 0 || !isCase(given)) continue;
    const place = { packRef, directory, file, line: lineOf([index]) };
    cases.push({ ...place, ...testCase(given, index, naming) });
  }
  return { cases, problems };
}

/** Everything in it was read as JSON. */
interface GivenCase extends Omit<Static<typeof testCaseSchema>, "payload" | "matches"> {
  readonly payload?: JsonObject;
  readonly matches: readonly string[] | Readonly<Record<string, JsonObject | null>>;
}

function isCase(value: unknown): value is GivenCase {
  return Value.Check(testCaseSchema, value);
}

function testCase(given: GivenCase, index: number, naming: Naming): RuleTestCase {
  const { name, trigger, rule, occurred_at: occurredAt = null, payload = {}, matches } = given;
  return {
    name: name ?? `case ${index + 1}`,
    event: {
      id: "1",
      triggerRef: naming.referredRef(trigger),
      payload,
      sourceRef: null,
      occurredAt,
      triggerInstanceId: rule === undefined ? null : aimAt(naming.referredRef(rule)),
    },
    expected: expectedOf(matches, naming),
  };
}

function expectedOf(matches: GivenCase["matches"], naming: Naming): ReadonlyMap<string, JsonObject> {
  const named: readonly (readonly [string, JsonObject | null])[] = isList(matches)
    ? matches.map((ref) => [ref, null])
    : Object.entries(matches);
  return new Map(named.map(([ref, params]) => [naming.referredRef(ref), params ?? {}]));
}

function isList(matches: GivenCase["matches"]): matches is readonly string[] {
  return Array.isArray(matches);
}

function fieldOf(path: Path): string | null {
  return path.length === 0 ? null : path.join(".");
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
