/**
 * `rules lint`: what is probably wrong with rules in pack folders, which needs no agent, and with stored ones, which are read
 * through the API together with what payloads of their triggers looked like.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { OperatorError } from "../../errors/operator-error.ts";
import { reviewConditions } from "../../model/conditions/condition.ts";
import { listOf, objectOf, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import type { PlacedProblem } from "../../model/placed-problem.ts";
import { lintRule } from "../../model/rules/lint-rule.ts";
import { paramsProblems } from "../../model/rules/trigger-params.ts";
import type { SeenFields } from "../../model/schema-memory/seen-fields.ts";
import { templateProblems } from "../../model/templates/template.ts";
import type { PackProblem, PackWarning } from "../../packs/pack-problem.ts";
import { checkPacks } from "../../packs/read-packs.ts";
import type { ApiClient } from "../client/api-client.ts";
import { failureText } from "../failure-text.ts";
import type { ExitCode } from "../invocation.ts";
import { lintReport, type LintFinding, type LintReport } from "../lint-report.ts";
import { noInputText, noRuleText, ruleFileProblem } from "../rule-file.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

/**
 * @param targets refs, YAML files of rules in packs' folders, or packs' folders
 * @returns 0 if nothing is wrong, 1 if there are warnings, 2 if something could not be read or a rule is invalid
 */
export async function lintRules(invocation: ClientInvocation, targets: readonly string[]): Promise<ExitCode> {
  const sorted = await Promise.all(targets.map(targetOf));
  const inPacks = sorted.filter((target) => target.kind === "pack");
  const unusable = sorted.flatMap((target) => (target.kind === "unusable" ? [target.problem] : []));
  const reports = [{ rules: [], problems: unusable, warnings: [] }, await lintInPacks(inPacks)];
  const refs = new Set(sorted.flatMap((target) => (target.kind === "stored" ? [target.ref] : [])));
  for (const ref of refs) reports.push(await lintStored(invocation, ref));
  const report: LintReport = {
    rules: reports.flatMap(({ rules }) => rules),
    problems: reports.flatMap(({ problems }) => problems),
    warnings: reports.flatMap(({ warnings }) => warnings),
  };
  invocation.print(lintReport(report, invocation.output));
  if (report.problems.length > 0) return 2;
  return report.warnings.length > 0 ? 1 : 0;
}

interface PackTarget {
  readonly kind: "pack";
  readonly directory: string;
  /** The only file to lint, relative to the directory; undefined for all rules. */
  readonly file: string | undefined;
}

type Target =
  | PackTarget
  | { readonly kind: "stored"; readonly ref: string }
  | { readonly kind: "unusable"; readonly problem: LintFinding };

async function targetOf(text: string): Promise<Target> {
  if (text === "-") return { kind: "unusable", problem: ofFile(null, noInputText) };
  if (/\.ya?ml$/.test(text)) {
    const problem = await ruleFileProblem(text);
    if (problem !== undefined) return { kind: "unusable", problem: ofFile(text, problem) };
    const path = resolve(text);
    const file = join(basename(dirname(path)), basename(path));
    return { kind: "pack", directory: join(dirname(text), ".."), file };
  }
  // Refs have no slashes.
  const isFolder = text.includes("/") || /^\.+$/.test(text) || (await isDirectory(text));
  return isFolder ? { kind: "pack", directory: text, file: undefined } : { kind: "stored", ref: text };
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function lintInPacks(targets: readonly PackTarget[]): Promise<LintReport> {
  const directories = new Map(targets.map(({ directory }) => [resolve(directory), directory]));
  const { packs, problems, warnings, definitions } = await checkPacks([...directories.values()]);
  const rules = definitions.flatMap(({ kind, ref, problemAt }) =>
    kind === "rule" ? [{ ref, ...problemAt([], "") }] : [],
  );
  const isIn = (target: PackTarget, { directory, file }: Pick<PackProblem, "directory" | "file">): boolean =>
    resolve(target.directory) === resolve(directory) && (target.file === undefined || target.file === file);
  const linted = rules.filter((rule) => targets.some((target) => isIn(target, rule)));
  const strangers = targets.filter(
    (target) =>
      packs.some(({ directory }) => resolve(directory) === resolve(target.directory)) &&
      target.file !== undefined &&
      !linted.some((rule) => isIn(target, rule)),
  );
  return {
    rules: linted.map(({ ref }) => ref),
    problems: [
      ...problems.map((problem) => inFile(null, problem)),
      ...strangers.map(({ directory, file = "" }) => ofFile(join(directory, file), noRuleText)),
    ],
    warnings: linted.flatMap(({ ref, directory, file }) =>
      warnings
        .filter((warning) => warning.directory === directory && warning.file === file)
        .toSorted((one, other) => one.line - other.line)
        .map((warning) => inFile(ref, warning)),
    ),
  };
}

function inFile(
  rule: string | null,
  { directory, file, line, field, reason, suggestion }: PackProblem & Pick<PackWarning, "suggestion">,
): LintFinding {
  const place = file === null ? { file: directory, line: null } : { file: join(directory, file), line };
  return { rule, ...place, field, reason, suggestion: suggestion ?? null };
}

function ofFile(file: string | null, reason: string): LintFinding {
  return { rule: null, file, line: null, field: null, reason, suggestion: null };
}

async function lintStored(invocation: ClientInvocation, ref: string): Promise<LintReport> {
  try {
    const client = clientOf(invocation);
    const rule = await read(client, `rules/${encodeURIComponent(ref)}`, `read the rule ${ref}`);
    const problems = await problemsOf(rule);
    if (problems.length > 0) {
      return { rules: [ref], problems: problems.map((problem) => ofStored(ref, problem)), warnings: [] };
    }
    const conditions = rule["conditions"] ?? null;
    const { outSchema, seen } = await readTrigger(client, textOf(rule["trigger_ref"]));
    const doubts = [
      ...reviewConditions(conditions).doubts,
      ...lintRule({ conditions, actionParams: objectOf(rule["action_params"]) }, outSchema, seen),
    ];
    return { rules: [ref], problems: [], warnings: doubts.map((doubt) => ofStored(ref, doubt)) };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    const reason = failureText(error);
    const problem = { rule: ref, file: null, line: null, field: null, reason, suggestion: null };
    return { rules: [], problems: [problem], warnings: [] };
  }
}

/** Why the rule matches nothing. */
async function problemsOf(rule: JsonObject): Promise<readonly PlacedProblem[]> {
  const inParams = await paramsProblems(textOf(rule["trigger_ref"]), objectOf(rule["trigger_params"]));
  return [
    ...reviewConditions(rule["conditions"] ?? null).problems,
    ...templateProblems(objectOf(rule["action_params"]), "action_params"),
    ...inParams.map(({ place, reason }) => ({ place: ["trigger_params", ...place], reason })),
  ];
}

async function readTrigger(
  client: ApiClient,
  ref: string,
): Promise<{ readonly outSchema: JsonObject; readonly seen: SeenFields }> {
  const path = `triggers/${encodeURIComponent(ref)}`;
  const trigger = await read(client, path, `read the trigger ${ref}`);
  const attempt = `read what payloads of ${ref} look like`;
  const { samples, is_cut: isCut, fields } = await read(client, `${path}/schema-memory`, attempt);
  return {
    outSchema: objectOf(trigger["out_schema"]),
    seen: {
      samples: typeof samples === "number" ? samples : 0,
      isCut: isCut === true,
      paths: listOf(fields).map((field) => textOf(objectOf(field)["path"])),
    },
  };
}

async function read(client: ApiClient, path: string, attempt: string): Promise<JsonObject> {
  const { data } = await client.ask({ path: `/api/v1/${path}`, attempt });
  return objectOf(data);
}

function ofStored(
  rule: string,
  { place, reason, suggestion }: PlacedProblem & { readonly suggestion?: string },
): LintFinding {
  return {
    rule,
    file: null,
    line: null,
    field: place.join("."),
    reason,
    suggestion: suggestion ?? null,
  };
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
