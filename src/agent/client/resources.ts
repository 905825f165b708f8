/** The API's resources for the command line: actions, filters, and columns of their lists. */
import type { Column } from "./output.ts";

export interface ResourceCommands {
  /** As in the path, and as the command's name. */
  readonly plural: string;
  readonly singular: string;
  readonly columns: readonly Column[];
  /** Options of `list`: the parameter of the API by the option's name. */
  readonly filters: readonly Filter[];
  readonly actions: readonly Action[];
  /** Where its entries come in the order of creation, newest first. */
  readonly isLog?: true;
}

export interface Filter {
  readonly option: string;
  readonly parameter: string;
  /** Of the value; undefined for a flag, whose value is then `true`. */
  readonly value?: string;
  readonly meaning: string;
}

export interface Action {
  readonly name: "enable" | "disable" | "restart" | "delete";
  readonly meaning: string;
}

const enabledFilter: Filter = {
  option: "--enabled <yes|no>",
  parameter: "enabled",
  value: "yes|no",
  meaning: "only enabled ones, or only disabled ones",
};

const triggerFilter: Filter = {
  option: "--trigger <ref>",
  parameter: "trigger_ref",
  value: "ref",
  meaning: "only those of this trigger",
};

const packFilter: Filter = {
  option: "--pack <ref>",
  parameter: "pack_ref",
  value: "ref",
  meaning: "only those of this pack",
};

const switches: readonly Action[] = [
  { name: "enable", meaning: "enable it" },
  { name: "disable", meaning: "disable it" },
];

export const resourceCommands: readonly ResourceCommands[] = [
  {
    plural: "sensors",
    singular: "sensor",
    columns: [
      ["SENSOR", "ref"],
      ["STATE", "state"],
      ["ENABLED", "enabled"],
      ["WORKER", "worker_name"],
      ["PROTOCOL", "protocol"],
      ["LAST OUTPUT", "process.last_output_at"],
      ["REASON", "reason"],
    ],
    filters: [
      enabledFilter,
      triggerFilter,
      packFilter,
      { option: "--state <state>", parameter: "state", value: "state", meaning: "only those in this state" },
      { option: "--worker <name>", parameter: "worker", value: "name", meaning: "only those of this worker" },
    ],
    actions: [
      ...switches,
      { name: "restart", meaning: "stop and start its process, on whatever worker runs it" },
    ],
  },
  {
    plural: "rules",
    singular: "rule",
    columns: [
      ["RULE", "ref"],
      ["ENABLED", "enabled"],
      ["TRIGGER", "trigger_ref"],
      ["ACTION", "action_ref"],
      ["LABEL", "label"],
    ],
    filters: [enabledFilter, triggerFilter, packFilter],
    actions: [...switches, { name: "delete", meaning: "delete it" }],
  },
  {
    plural: "triggers",
    singular: "trigger",
    columns: [
      ["TRIGGER", "ref"],
      ["ENABLED", "enabled"],
      ["WEBHOOK", "webhook_enabled"],
      ["LABEL", "label"],
    ],
    filters: [enabledFilter, packFilter],
    actions: switches,
  },
  {
    plural: "events",
    singular: "event",
    columns: [
      ["EVENT", "id"],
      ["TRIGGER", "trigger_ref"],
      ["SOURCE", "source_ref"],
      ["FOR RULE", "rule_ref"],
      ["CREATED", "created"],
    ],
    filters: [
      triggerFilter,
      {
        option: "--sensor <ref>",
        parameter: "source_ref",
        value: "ref",
        meaning: "only those of this sensor",
      },
    ],
    actions: [],
    isLog: true,
  },
  {
    plural: "enforcements",
    singular: "enforcement",
    columns: [
      ["ENFORCEMENT", "id"],
      ["RULE", "rule_ref"],
      ["EVENT", "event"],
      ["TRIGGER", "trigger_ref"],
      ["STATUS", "status"],
      ["CREATED", "created"],
    ],
    filters: [
      triggerFilter,
      { option: "--rule <ref>", parameter: "rule_ref", value: "ref", meaning: "only those of this rule" },
      { option: "--event <id>", parameter: "event", value: "id", meaning: "only those of this event" },
    ],
    actions: [],
    isLog: true,
  },
  {
    plural: "timers",
    singular: "timer",
    columns: [
      ["RULE", "rule_ref"],
      ["TRIGGER", "trigger_ref"],
      ["STATE", "state"],
      ["NEXT", "next_fire_local"],
      ["LAST FIRED", "last_fired_at"],
      ["FIRED", "execution_count"],
      ["LATE", "counts.late"],
      ["SKIPPED", "skipped_count"],
      ["NOTE", "note"],
      ["PROBLEM", "problem"],
    ],
    filters: [enabledFilter, triggerFilter, packFilter],
    actions: [],
  },
  {
    plural: "deliveries",
    singular: "delivery",
    columns: [
      ["ID", "id"],
      ["VERDICT", "verdict"],
      ["REASON", "reason"],
      ["PATH", "path"],
      ["TRIGGER", "trigger_ref"],
      ["DELIVERY", "delivery_id"],
      ["EVENT", "event_id"],
      ["FROM", "remote_address"],
      ["CREATED", "created"],
    ],
    filters: [
      triggerFilter,
      { option: "--rule <ref>", parameter: "rule_ref", value: "ref", meaning: "only those of this rule" },
      { option: "--path <path>", parameter: "path", value: "path", meaning: "only those to this path" },
      {
        option: "--verdict <verdict>",
        parameter: "verdict",
        value: "verdict",
        meaning: "only accepted, duplicate, challenge, refused or failed ones",
      },
      {
        option: "--delivery <id>",
        parameter: "delivery_id",
        value: "text",
        meaning: "only those with this id of the sender's",
      },
      {
        option: "--request <id>",
        parameter: "request_id",
        value: "text",
        meaning: "only the one that was answered with this X-Request-Id",
      },
      { option: "--event <id>", parameter: "event", value: "id", meaning: "only those of this event" },
    ],
    actions: [],
    isLog: true,
  },
  {
    plural: "workers",
    singular: "worker",
    columns: [
      ["WORKER", "name"],
      ["ALIVE", "alive"],
      ["STATUS", "status"],
      ["ROLE", "worker_role"],
      ["SENSORS", "capacity_used"],
      ["AT MOST", "capabilities.max_concurrent_sensors"],
      ["RUNTIMES", "capabilities.runtimes"],
      ["LAST HEARTBEAT", "last_heartbeat"],
    ],
    filters: [
      {
        option: "--alive <yes|no>",
        parameter: "alive",
        value: "yes|no",
        meaning: "only live ones, or only others",
      },
    ],
    actions: [],
  },
  {
    plural: "packs",
    singular: "pack",
    columns: [
      ["PACK", "ref"],
      ["VERSION", "version"],
      ["LABEL", "label"],
    ],
    filters: [],
    actions: [],
  },
];
