/**
 * The configuration's schema: the only definition of every key's type, default and meaning.
 *
 * Keys are spelled in the code exactly as in the file, so that one search finds a key in the file, the code
 * and docs/configuration.md (a test compares that page with this schema). Durations are in seconds and may be
 * fractional; the wiring code converts them to milliseconds.
 */
import { Type, type Static } from "typebox";
import type { JsonObject } from "../model/json/json.ts";
import { events, retention } from "./schema/events.ts";
import { api, metrics, telemetry } from "./schema/interfaces.ts";
import { agent, security } from "./schema/security.ts";
import { sensor } from "./schema/sensor.ts";
import { database, messageQueue } from "./schema/services.ts";
import { section, Text } from "./schema/values.ts";

export const configSchema = Type.Object({
  database,
  message_queue: messageQueue,
  api,
  metrics,
  telemetry,
  security,
  agent,
  log: Type.Object(
    {
      level: Type.Enum(["debug", "info", "warn", "error"], {
        description: "Minimum severity to log",
        default: "info",
      }),
      format: Type.Enum(["json", "pretty"], {
        description: "One JSON object per line, or human-readable lines",
        default: "json",
      }),
    },
    section,
  ),
  packs_base_dir: Text(
    "Folder of packs; a sensor's script is `{packs_base_dir}/{pack}/sensors/{entrypoint}`",
    "./packs",
  ),
  runtime_envs_dir: Text("Folder of the packs' virtual environments and node_modules", "./runtime_envs"),
  artifacts_dir: Text("Folder for files that actions and sensors produce", "./artifacts"),
  data_dir: Text("Folder of the embedded database and of what sensors keep", "./data"),
  logs_dir: Text("Folder of the sensors' own logs", "./logs"),
  events,
  retention,
  sensor,
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The effective configuration: complete, validated and frozen, with absolute paths. */
export type Config = DeepReadonly<Static<typeof configSchema>> & {
  readonly sensor: { readonly capabilities: JsonObject };
};
