/**
 * The environment variables of a sensor, as a pure function.
 *
 * Of the agent's own variables only an allow-list is inherited, so that neither the database's URL nor a secret can reach
 * a sensor by accident. Names that carry those are refused even if the configuration passes them through. Later
 * entries win:
 *
 *     allow-list of the agent's, or LANG=C.UTF-8 → variables set aside for the image → the runtime's env_vars → ATTUNE_*
 */
import type { SensorDefinition, SensorRule } from "../../model/definitions.ts";
import { isInherited } from "../../model/inherited-variables.ts";
import type { JsonObject, JsonValue } from "../../model/json/json.ts";
import type { NamedChange, VariableChange } from "./execution-config.ts";

export type Variables = Readonly<Record<string, string>>;

/** The agent's variables; see agent/restored-environment.ts. */
export interface AgentVariables {
  readonly own: Variables;
  /** Including those set aside for the image's programs, such as LD_LIBRARY_PATH. */
  readonly restored: Variables;
}

export interface VariableFacts {
  readonly agent: AgentVariables;
  readonly passthrough: readonly string[];
  readonly logLevel: string;
  readonly logFormat: string;
  readonly artifactsDir: string;
  /** A folder of the sensor's own for what it keeps; undefined: none could be made. */
  readonly stateDir: string | undefined;
  readonly sensor: SensorDefinition;
  readonly rules: readonly SensorRule[];
  readonly checkpoint: JsonValue | undefined;
  /** The runtime's changes, with all words replaced; applied in order. */
  readonly changes: readonly NamedChange[];
  /** Variables that only sensors of its kind get. */
  readonly ofKind: Variables;
}

const secretNames = /^(DATABASE_URL|ATTUNE_MQ_URL|ATTUNE_API_TOKEN|ATTUNE__.*)$/;

export function sensorVariables(facts: VariableFacts): Record<string, string> {
  const variables = inheritedVariables(facts.agent, facts.passthrough);
  for (const [name, change] of facts.changes) variables[name] = applyChange(variables[name], change);
  return { ...variables, ...ownVariables(facts) };
}

/**
 * The variables that every program started by the agent inherits. Without a locale, as in most containers, it is set to
 * UTF-8: in the locale C some interpreters reject or misread non-ASCII characters.
 */
export function inheritedVariables(
  agent: AgentVariables,
  passthrough: readonly string[],
): Record<string, string> {
  const isKept = (name: string): boolean =>
    (isInherited(name) || passthrough.includes(name) || !(name in agent.own)) && !secretNames.test(name);
  const kept = Object.fromEntries(Object.entries(agent.restored).filter(([name]) => isKept(name)));
  const hasLocale = ["LC_ALL", "LC_CTYPE", "LANG"].some((name) => (kept[name] ?? "") !== "");
  return hasLocale ? kept : { ...kept, LANG: "C.UTF-8" };
}

function applyChange(present: string | undefined, { operation, value, separator }: VariableChange): string {
  // An empty entry in a path means the current folder, so never join with an empty value.
  if (operation === "set" || present === undefined || present === "") return value;
  return operation === "prepend" ? value + separator + present : present + separator + value;
}

function ownVariables({
  logLevel,
  logFormat,
  artifactsDir,
  stateDir,
  sensor,
  rules,
  checkpoint,
  ofKind,
}: VariableFacts): Record<string, string> {
  return {
    ...configVariables(sensor.config),
    ATTUNE_SENSOR_ID: sensor.id,
    ATTUNE_SENSOR_REF: sensor.ref,
    ATTUNE_SENSOR_TRIGGERS: JSON.stringify(rules.map(describeRule)),
    ATTUNE_SENSOR_TRIGGER_TYPES: JSON.stringify(sensor.triggers.map((trigger) => trigger.ref)),
    ATTUNE_SENSOR_CONFIG_JSON: JSON.stringify(sensor.config),
    ATTUNE_PACK_REF: sensor.packRef,
    ATTUNE_LOG_LEVEL: logLevel,
    ATTUNE_LOG_FORMAT: logFormat,
    ATTUNE_ARTIFACTS_DIR: artifactsDir,
    ...(stateDir === undefined ? {} : { ATTUNE_SENSOR_STATE_DIR: stateDir }),
    ...(checkpoint === undefined ? {} : { ATTUNE_SENSOR_CHECKPOINT: textOf(checkpoint) }),
    ...ofKind,
  };
}

/**
 * Each fact under both names that sensors of the platform read. They expect ids as numbers; rule ids stay far below
 * 2^53.
 */
function describeRule({ id, ref, triggerRef, triggerParams }: SensorRule): JsonObject {
  return {
    id: Number(id),
    rule_id: Number(id),
    ref,
    rule_ref: ref,
    trigger_ref: triggerRef,
    config: triggerParams,
    trigger_params: triggerParams,
  };
}

function configVariables(config: JsonObject): Record<string, string> {
  const entries = Object.entries(config).map(([key, value]): [string, string] => [
    `ATTUNE_SENSOR_CONFIG_${key.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_")}`,
    textOf(value),
  ]);
  return Object.fromEntries(entries);
}

/** Text unchanged, everything else as JSON. */
function textOf(value: JsonValue): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
