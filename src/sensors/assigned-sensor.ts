/**
 * A sensor as its rows say it should run, decoded once. Rows may be written by hand, so a row that cannot be decoded
 * affects only its sensor.
 */
import type { AssignedSensorRow } from "../database/statements/assigned-sensors.ts";
import { invalid, valid, type Decoded } from "../model/json/decoded.ts";
import type {
  SensorDefinition,
  SensorProtocol,
  SensorRule,
  TriggerDefinition,
} from "../model/definitions.ts";
import { nearestDouble } from "../model/json/exact-number.ts";
import { isAtMostDeep } from "../model/json/equality.ts";
import { jsonDepthMax } from "../model/json/json-text.ts";
import {
  isJsonArray,
  isJsonObject,
  listOf,
  objectOf,
  type JsonObject,
  type JsonValue,
} from "../model/json/json.ts";
import { kindFacts, type SensorKind } from "../model/sensors/sensor-kind.ts";
import type { RuntimeAnswer } from "../model/runtimes/runtime-offer.ts";

export interface AssignedSensor {
  readonly definition: SensorDefinition;
  /** Enabled rules on enabled triggers; without those that cannot be used. */
  readonly rules: readonly SensorRule[];
  /** The refs of those that cannot be used. */
  readonly unusableRules: readonly string[];
  /** When the sensor's row was last updated. */
  readonly updated: string;
}

const protocols: readonly SensorProtocol[] = ["poll", "stream", "standalone"];

export function decodeAssignedSensor(row: AssignedSensorRow): Decoded<AssignedSensor> {
  const { columns } = row;
  if (!isJsonObject(columns)) return invalid("its row is not readable");
  const protocol = protocols.find((each) => each === columns["protocol"]);
  if (protocol === undefined) {
    return invalid(`its protocol ${JSON.stringify(columns["protocol"])} is none of ${protocols.join(", ")}`);
  }
  const { config } = columns;
  if (!isJsonObject(config)) return invalid("its config is not a JSON object");
  if (!isAtMostDeep(config, jsonDepthMax))
    return invalid(`its config is nested more than ${jsonDepthMax} levels deep`);
  const pollIntervalSeconds = secondsOrNull(columns["poll_interval"]);
  if (pollIntervalSeconds === undefined)
    return invalid("its poll_interval is not a positive number of seconds");
  const timeoutSeconds = secondsOrNull(columns["timeout"]);
  if (timeoutSeconds === undefined) return invalid("its timeout is not a positive number of seconds");
  const successExitCodes = exitCodes(columns["success_exit_codes"]);
  if (successExitCodes === undefined)
    return invalid("its success_exit_codes are not a list of exit codes from 0 to 255");
  const packRef = columns["pack_ref"];
  if (typeof packRef !== "string" || packRef === "")
    return invalid("it belongs to no pack, so it has no script");

  const rules = listOf(row.rules).map(objectOf);
  return valid({
    definition: {
      id: row.id,
      ref: row.ref,
      packRef,
      label: textOr(columns["label"], ""),
      entrypoint: textOr(columns["entrypoint"], ""),
      runtimeRef: textOr(columns["runtime_ref"], ""),
      protocol,
      enabled: columns["enabled"] === true,
      config,
      paramSchema: objectOf(columns["param_schema"]),
      pollIntervalSeconds,
      timeoutSeconds,
      successExitCodes,
      runtimeVersionConstraint: textOr(columns["runtime_version_constraint"], null),
      triggers: listOf(row.triggers).filter(isJsonObject).map(triggerOf),
    },
    rules: rules.flatMap((rule) => usableRule(rule) ?? []),
    unusableRules: rules.flatMap((rule) => (usableRule(rule) === undefined ? [textOr(rule["ref"], "")] : [])),
    updated: textOr(columns["updated"], ""),
  });
}

/**
 * Everything a process was started with and cannot learn later. As long as this stays the same, a change of the rows does
 * not affect the process, such as a new label, a change to a disabled rule, or to any rule if it hears of changes.
 */
export function launchFingerprint(sensor: AssignedSensor, kind: SensorKind, runtime: RuntimeAnswer): string {
  const { definition } = sensor;
  const rules = kindFacts[kind].hearsOfRules ? null : sensor.rules;
  const { label: _label, paramSchema: _schema, enabled: _enabled, triggers, ...rest } = definition;
  return JSON.stringify([rest, triggers.map((trigger) => trigger.ref), rules, runtime]);
}

/** Undefined if it cannot be used: it is in `rule_problem`, and must not affect the sensor's other rules. */
function usableRule(rule: JsonObject): SensorRule | undefined {
  const params = rule["trigger_params"] ?? {};
  if (!isJsonObject(params) || !isAtMostDeep(params, jsonDepthMax)) return undefined;
  return {
    id: textOr(rule["id"], ""),
    ref: textOr(rule["ref"], ""),
    triggerRef: textOr(rule["trigger_ref"], ""),
    triggerParams: params,
  };
}

function triggerOf(trigger: JsonObject): TriggerDefinition {
  return {
    id: textOr(trigger["id"], ""),
    ref: textOr(trigger["ref"], ""),
    label: textOr(trigger["label"], ""),
    enabled: trigger["enabled"] === true,
    paramSchema: objectOf(trigger["param_schema"]),
    outSchema: objectOf(trigger["out_schema"]),
  };
}

/** @returns undefined if it is neither null nor a usable number */
function secondsOrNull(value: JsonValue | undefined): number | null | undefined {
  if (value === undefined || value === null) return null;
  const seconds = nearestDouble(value) ?? 0;
  return seconds > 0 ? seconds : undefined;
}

/** @returns undefined if it is not a list of at least one exit code */
function exitCodes(value: JsonValue | undefined): readonly number[] | undefined {
  if (!isJsonArray(value) || value.length === 0) return undefined;
  const codes = value.filter((code) => typeof code === "number");
  const areCodes = codes.every((code) => Number.isInteger(code) && code >= 0 && code <= 255);
  return areCodes && codes.length === value.length ? codes : undefined;
}

function textOr<Default>(value: JsonValue | undefined, otherwise: Default): string | Default {
  return typeof value === "string" ? value : otherwise;
}
