/**
 * Converts the fields of a file or a request to a row with full refs and column names, and checks what a schema
 * cannot: conditions compile, a runtime can be verified, a script exists.
 */
import assert from "node:assert/strict";
import type { Path } from "../config/yaml-source.ts";
import { decodeTriggerMapping } from "../model/cloud-events/trigger-mapping.ts";
import { reviewConditions } from "../model/conditions/condition.ts";
import { isJsonObject, objectOf, type JsonObject } from "../model/json/json.ts";
import { parseJson } from "../model/json/json-text.ts";
import { builtinRuntimeRef } from "../model/runtimes/runtime-names.ts";
import { decodeRuntimePlan } from "../model/runtimes/runtime-plan.ts";
import { kindFacts, sensorKindOf } from "../model/sensors/sensor-kind.ts";
import { decodeWorkerSelector } from "../model/sensors/worker-selector.ts";
import { paramsProblems } from "../model/rules/trigger-params.ts";
import { templateProblems } from "../model/templates/template.ts";
import { isVersionRange } from "../model/runtimes/versions.ts";
import { blankValues } from "./blank-values.ts";
import type { DefinitionFile } from "./definition-file.ts";
import type { Kind } from "../model/definition-schemas.ts";
import { entrypointProblem, entrypointWarning, scriptFileProblem } from "./entrypoint.ts";
import type { Naming } from "./names.ts";
import type { Definition, Reference } from "./pack.ts";
import type { PackProblem, PackWarning } from "./pack-problem.ts";

/** Where definitions come from. */
export interface DefinitionContext {
  /** Folder of the pack; null if its scripts are on other machines and cannot be checked here. */
  readonly directory: string | null;
  readonly packRef: string | null;
  readonly naming: Naming;
}

export interface DefinitionReport {
  /** Absent if its file was rejected. */
  readonly definition?: Definition;
  readonly problems: readonly PackProblem[];
  readonly warnings?: readonly PackWarning[];
}

type AnyFile = { readonly [K in Kind]: DefinitionFile<K> }[Kind];

type Complete<K extends Kind> = (
  file: DefinitionFile<K>,
  context: DefinitionContext,
) => DefinitionReport | Promise<DefinitionReport>;

const completions: { readonly [K in Kind]: Complete<K> } = {
  runtime: runtimeOf,
  trigger: triggerOf,
  action: actionOf,
  sensor: sensorOf,
  rule: ruleOf,
};

export async function completeDefinition<K extends Kind>(
  kind: K,
  file: DefinitionFile<K>,
  context: DefinitionContext,
): Promise<DefinitionReport> {
  return completions[kind](file, context);
}

function runtimeOf(file: DefinitionFile<"runtime">, context: DefinitionContext): DefinitionReport {
  const { ref, problems } = refOf(file, context);
  const row = columns({ description: null, installation: null, ...file.fields, ref });
  if (file.fields.runtime_type === "sensor") {
    const plan = decodeRuntimePlan({
      id: "0",
      ref,
      packRef: context.packRef,
      name: file.fields.name,
      description: null,
      distributions: row["distributions"] ?? {},
      installation: row["installation"] ?? null,
      executionConfig: row["execution_config"] ?? {},
    });
    if (plan.kind === "invalid") problems.push(file.problemAt([], plan.problem));
  }
  return {
    definition: { kind: "runtime", ref, row, enabled: null, references: [], problemAt: file.problemAt },
    problems,
  };
}

function triggerOf(file: DefinitionFile<"trigger">, context: DefinitionContext): DefinitionReport {
  const { ref, problems } = refOf(file, context);
  const { cloudevents = null } = file.fields;
  const row = columns({ label: ref, description: null, ...file.fields, cloudevents, ref });
  const mapping = decodeTriggerMapping(row["cloudevents"] ?? null);
  if (cloudevents !== null && mapping.kind === "invalid")
    problems.push(file.problemAt(["cloudevents"], mapping.problem));
  return {
    definition: {
      kind: "trigger",
      ref,
      row,
      enabled: file.fields.enabled,
      references: [],
      problemAt: file.problemAt,
    },
    problems,
  };
}

function actionOf(file: DefinitionFile<"action">, context: DefinitionContext): DefinitionReport {
  const { ref, problems } = refOf(file, context);
  const { runtime = null, ...fields } = file.fields;
  const row = columns({ label: ref, description: null, ...fields, ref, runtime_ref: runtime });
  return {
    definition: { kind: "action", ref, row, enabled: null, references: [], problemAt: file.problemAt },
    problems,
  };
}

async function sensorOf(
  file: DefinitionFile<"sensor">,
  context: DefinitionContext,
): Promise<DefinitionReport> {
  const { ref, problems } = refOf(file, context);
  const { runtime, triggers, ...fields } = file.fields;
  const { directory, naming } = context;
  const runtimeRef = naming.referredRuntime(runtime);
  const triggerRefs = triggers.map((trigger) => naming.referredRef(trigger));
  const [mainTrigger, ...furtherTriggers] = triggerRefs;

  const misplaced =
    entrypointProblem(fields.entrypoint, runtimeRef) ??
    (directory === null ? undefined : await scriptFileProblem(directory, fields.entrypoint, runtimeRef));
  if (misplaced !== undefined) problems.push(file.problemAt(["entrypoint"], misplaced));
  const range = fields.runtime_version_constraint;
  if (range !== undefined && !isVersionRange(range)) {
    problems.push(
      file.problemAt(
        ["runtime_version_constraint"],
        `must be a range of versions like ">=3.9 <3.14", not "${range}"`,
      ),
    );
  }
  const placement = decodeWorkerSelector(columns(fields.placement));
  if (placement.kind === "invalid") problems.push(file.problemAt(["placement"], placement.problem));

  const row = columns({
    label: ref,
    description: null,
    poll_interval: null,
    timeout: null,
    runtime_version_constraint: null,
    ...fields,
    ref,
    runtime_ref: runtimeRef,
    trigger_ref: mainTrigger,
    further_triggers: [...new Set(furtherTriggers)].filter((trigger) => trigger !== mainTrigger),
  });
  const references = [
    reference(file, context, "runtime", runtimeRef, ["runtime"]),
    ...triggerRefs.map((triggerRef, index) =>
      reference(file, context, "trigger", triggerRef, ["triggers", index]),
    ),
  ];
  return {
    definition: { kind: "sensor", ref, row, enabled: fields.enabled, references, problemAt: file.problemAt },
    problems,
    warnings: [
      ...protocolWarnings(file, runtimeRef),
      ...idleFieldWarnings(file, runtimeRef),
      ...(misplaced === undefined && directory !== null
        ? await scriptWarnings(file, directory, runtimeRef)
        : []),
    ],
  };
}

/** What a sensor prints becomes events only with a protocol that says so, and is its log by default. */
function protocolWarnings(file: DefinitionFile<"sensor">, runtimeRef: string): PackWarning[] {
  if (runtimeRef === builtinRuntimeRef || file.says("protocol")) return [];
  const reason =
    "is missing, so what the sensor prints is only its log; " +
    "write stream or poll if it prints its events, or standalone if it posts them to the API";
  return [{ ...file.problemAt(["protocol"], reason), kind: "sensor-doubtful" }];
}

/** Warns about fields that have no effect on sensors of this kind. */
function idleFieldWarnings(file: DefinitionFile<"sensor">, runtimeRef: string): PackWarning[] {
  const { protocol, entrypoint } = file.fields;
  const kind = sensorKindOf({ protocol, entrypoint, runtimeRef, runtimeName: null });
  if (kind.kind === "invalid") return [];
  const own = runtimeRef === builtinRuntimeRef ? "is built-in" : `has the protocol ${kind.value}`;
  const reason = `has no effect: only sensors with the protocol poll use it, and this one ${own}`;
  return kindFacts[kind.value].idleFields
    .filter((field) => file.says(field))
    .map((field) => ({ ...file.problemAt([field], reason), kind: "keys-ignored" }));
}

async function scriptWarnings(
  file: DefinitionFile<"sensor">,
  directory: string,
  runtimeRef: string,
): Promise<PackWarning[]> {
  const reason = await entrypointWarning(directory, file.fields.entrypoint, runtimeRef);
  return reason === undefined ? [] : [{ ...file.problemAt(["entrypoint"], reason), kind: "sensor-fails" }];
}

async function ruleOf(file: DefinitionFile<"rule">, context: DefinitionContext): Promise<DefinitionReport> {
  const { ref, problems } = refOf(file, context);
  const { trigger, action, ...fields } = file.fields;
  const triggerRef = context.naming.referredRef(trigger);
  const actionRef = context.naming.referredRef(action);
  const row = columns({
    label: ref,
    description: null,
    ...fields,
    ref,
    trigger_ref: triggerRef,
    action_ref: actionRef,
  });

  const conditions = row["conditions"] ?? null;
  const review = reviewConditions(conditions);
  const params = row["action_params"];
  const triggerParams = row["trigger_params"];
  const inTriggerParams = await paramsProblems(triggerRef, objectOf(triggerParams));
  const found = [
    ...review.problems,
    ...templateProblems(objectOf(params), "action_params"),
    ...inTriggerParams.map(({ place, reason }) => ({ place: ["trigger_params", ...place], reason })),
  ];
  problems.push(...found.map(({ place, reason }) => file.problemAt(place, reason)));
  if (review.problems.length === 0) problems.push(...blankValues(file, conditions, ["conditions"]));

  const references = [
    reference(file, context, "trigger", triggerRef, ["trigger"]),
    reference(file, context, "action", actionRef, ["action"]),
  ];
  return {
    definition: { kind: "rule", ref, row, enabled: fields.enabled, references, problemAt: file.problemAt },
    problems,
    warnings: review.doubts.map(({ place, reason }) => ({
      ...file.problemAt(place, reason),
      kind: "rule-doubtful",
    })),
  };
}

function refOf(
  file: AnyFile,
  { packRef, naming }: DefinitionContext,
): { ref: string; problems: PackProblem[] } {
  const written = file.fields.ref;
  const ref = naming.ownRef(written);
  if (ref !== undefined) return { ref, problems: [] };
  const reason = `must begin with this pack's ref, like ${packRef}.${written.split(".").at(-1)}`;
  return { ref: written, problems: [file.problemAt(["ref"], reason)] };
}

function reference(
  file: AnyFile,
  { directory, naming }: DefinitionContext,
  kind: Kind,
  ref: string,
  path: Path,
): Reference {
  const isPackFile = directory !== null;
  const remedy = kind === "runtime" && isPackFile ? "; the pack can define it in its folder runtimes" : "";
  return {
    kind,
    ref,
    ifMissing: file.problemAt(path, `names the ${kind} ${ref}, ${naming.missing}${remedy}`),
  };
}

export function columns(fields: object): JsonObject {
  const value = parseJson(JSON.stringify(fields));
  assert(isJsonObject(value));
  return value;
}
