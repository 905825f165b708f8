/**
 * The configuration's schema: the only definition of every key's type, default and meaning.
 *
 * Keys are spelled in the code exactly as in the file, so that one search finds a key in the file, the code
 * and docs/configuration.md (a test compares that page with this schema). Durations are in seconds and may be
 * fractional; the wiring code converts them to milliseconds.
 */
import { Type, type Static } from "typebox";
import type { JsonObject } from "../model/json/json.ts";

/** Sections and free-form maps are optional; they are completed with their own defaults. */
const section = { default: {} };

const Text = (description: string, fallback: string) =>
  Type.String({ description, default: fallback, minLength: 1 });

const BrokerName = (description: string, fallback: string) =>
  Type.String({
    description,
    default: fallback,
    pattern: "^(?!amq\\.)[A-Za-z0-9_.:-]{1,127}$",
    expects: "up to 127 letters, digits and `_.:-`, not beginning with `amq.`",
  });

const Seconds = (description: string, fallback: number) =>
  Type.Number({ description, default: fallback, exclusiveMinimum: 0, maximum: 1_000_000 });

const Count = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ description, default: fallback, minimum, maximum: 1_000_000_000 });

/** A limit for text that is held in memory or stored as one value. */
const Bytes = (description: string, fallback: number) =>
  Type.Integer({ description, default: fallback, minimum: 1_024, maximum: 268_435_456 });

const Url = (description: string, [scheme, other]: readonly [string, string]) =>
  Type.Optional(
    Type.String({
      description,
      pattern: `^(${scheme}|${other})://.`,
      expects: `a URL that begins with ${scheme}:// or ${other}://`,
      writeOnly: true, // It may contain a password, whose position in an invalid URL is unknown.
    }),
  );

const Secret = (description: string) =>
  Type.Optional(Type.String({ description, minLength: 1, writeOnly: true }));

const Tls = (server: string) =>
  Type.Object(
    {
      ca: PemFile(`File with the certificate of the authority that signs ${server}'s, in PEM`),
      cert: PemFile("File with this client's certificate, in PEM"),
      key: PemFile("File with the key of this client's certificate, in PEM"),
      server_name: Type.Optional(
        Type.String({ description: "Name in the certificate, where it is not the URL's host", minLength: 1 }),
      ),
      verify: Type.Optional(
        Type.Enum(["full", "ca", "none"], {
          description:
            "What of the certificate is checked: all, any name (`ca`), or nothing; `full` unless set",
        }),
      ),
    },
    section,
  );

const PemFile = (description: string) => Type.Optional(Type.String({ description, minLength: 1 }));

const FileOf = (what: string) =>
  Type.Optional(Type.String({ description: `File that holds ${what}`, minLength: 1 }));

export const metricsHostDefault = "127.0.0.1";

export const configSchema = Type.Object({
  database: Type.Object(
    {
      url: Url("PostgreSQL to use; without it an embedded one in `data_dir`", ["postgres", "postgresql"]),
      url_file: FileOf("`database.url`; read again at each connection"),
      tls: Tls("PostgreSQL"),
      schema: Type.String({
        description: "Schema that holds the platform's tables",
        default: "attune",
        pattern: "^[a-z_][a-z0-9_]{0,55}$",
        expects: "a name of up to 56 lower-case letters, digits and underscores",
      }),
      max_connections: Count("Most connections to PostgreSQL", 10, 3),
    },
    section,
  ),
  message_queue: Type.Object(
    {
      url: Url("RabbitMQ to use; without it a queue inside the process", ["amqp", "amqps"]),
      url_file: FileOf("`message_queue.url`; read again at each connection"),
      exchange: BrokerName("Exchange that everything is published to", "attune.events"),
      executions_exchange: BrokerName("Exchange that enforcements are carried on to", "attune.executions"),
      dead_letter_exchange: BrokerName("Exchange for what consumers reject", "attune.dlx"),
      dead_letter_queue: BrokerName("Queue that collects what consumers reject", "attune.dead-letters"),
      tls: Tls("RabbitMQ"),
    },
    section,
  ),
  api: Type.Object(
    {
      enabled: Type.Boolean({ description: "Whether to answer HTTP at all", default: true }),
      host: Text("Address to listen on: by default this machine alone", "127.0.0.1"),
      port: Type.Integer({
        description: "Port to listen on; 0 takes a free one",
        default: 8080,
        minimum: 0,
        maximum: 65_535,
      }),
      url: Url("Address of the API as standalone sensors reach it; this version runs none", [
        "http",
        "https",
      ]),
    },
    section,
  ),
  metrics: Type.Object(
    {
      host: Text(
        "Address that `metrics.port` is opened on: by default this machine alone",
        metricsHostDefault,
      ),
      port: Type.Optional(
        Type.Integer({
          description: "Port for metrics and health alone; without it only the API serves them",
          minimum: 1,
          maximum: 65_535,
        }),
      ),
    },
    section,
  ),
  security: Type.Object(
    {
      jwt_secret: Secret("Signs tokens (HS256); this version signs none"),
      jwt_secret_file: FileOf("`security.jwt_secret`"),
      encryption_key: Secret("Encrypts stored secrets; this version stores none"),
      encryption_key_file: FileOf("`security.encryption_key`"),
    },
    section,
  ),
  log: Type.Object(
    {
      level: Type.Enum(["debug", "info", "warn", "error"], {
        description: "Least severity that is written",
        default: "info",
      }),
      format: Type.Enum(["json", "pretty"], {
        description: "One JSON object per line, or lines for people",
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
  artifacts_dir: Text("Folder for files that actions produce; this version runs none", "./artifacts"),
  data_dir: Text("Folder of the embedded database", "./data"),
  logs_dir: Text("Folder of the sensors' own logs", "./logs"),
  events: Type.Object(
    {
      batch_rows: Count("Most events stored by one statement", 500),
      batch_bytes: Count(
        "Most bytes of payload read into one statement, which writes at most four times as much",
        4_194_304,
      ),
      in_flight: Count(
        "Most events of one sensor not yet stored; beyond it the sensor waits. Also how many unconfirmed messages are enough",
        1000,
      ),
      sweep_interval: Seconds("How often to look for messages that nobody publishes", 5),
    },
    section,
  ),
  sensor: Type.Object(
    {
      enabled: Type.Boolean({ description: "Whether this process runs sensors", default: true }),
      worker_name: Type.String({
        description: "Name of this worker; `{hostname}` is filled in",
        minLength: 1,
        maxLength: 255,
        default: "sensor-{hostname}",
      }),
      host: Text("Host that the worker's row names; `{hostname}` is filled in", "{hostname}"),
      heartbeat_interval: Seconds("How often the worker's row is refreshed", 30),
      poll_interval: Seconds("How often a poll sensor runs that does not say", 30),
      sensor_timeout: Seconds("How long one run of a poll sensor may take that does not say", 30),
      max_concurrent_sensors: Count("Most sensors this worker runs", 10),
      restart_on_error: Type.Boolean({
        description: "Whether a sensor that fails is started again",
        default: true,
      }),
      max_restart_attempts: Count("Failures in a row after which a sensor is failed", 3, 0),
      restart_delay: Seconds("Wait after the first failure; doubles with each further one", 1),
      restart_delay_max: Seconds("Longest wait between two starts", 300),
      stable_after: Seconds("A sensor that ran this long is forgiven its failures", 60),
      shutdown_timeout: Seconds("How long sensors may take to stop before they are killed", 30),
      lease_duration: Seconds("How long an assignment outlives its last renewal", 10),
      lease_renewal_interval: Seconds("How often leases are renewed; at most half their duration", 3),
      reconcile_interval: Seconds("How often desired and actual are compared without a hint", 10),
      runtime_cache_ttl: Seconds("How long the verification of a runtime is believed after a restart", 600),
      runtime_verification_interval: Seconds("How often runtimes are verified again while running", 300),
      capabilities: Type.Object(
        {
          runtimes: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), {
              description: "Runtimes to offer instead of those detected",
            }),
          ),
        },
        {
          description: "Reported in the worker's row; any further key is allowed",
          default: {},
          additionalProperties: Type.Unknown(),
        },
      ),
      labels: Type.Record(Type.String(), Type.String(), {
        description: "Labels of this worker, reported among its capabilities",
        default: {},
      }),
      passthrough_env: Type.Array(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), {
        description: "Names of further environment variables that sensors inherit",
        default: [],
      }),
      share_broker: Type.Boolean({
        description: "Whether standalone sensors are given the broker's URL; this version runs none",
        default: false,
      }),
      line_bytes_max: Bytes(
        "Longest line of a stream sensor, and longest event of a poll sensor, in bytes",
        1_048_576,
      ),
      poll_bytes_max: Bytes("Most that one run of a poll sensor may print, in bytes", 16_777_216),
      poll_events_max: Count("Most events that one run of a poll sensor may print", 100_000),
      log_to: Type.Optional(
        Type.Enum(["files", "stderr", "both"], {
          description:
            "Where sensors' stderr goes: files in `logs_dir`, the agent's own log, or both; `files` unless set, in a container `both`",
        }),
      ),
      log_bytes: Count("Size at which a sensor's log is rotated", 10_485_760, 4096),
      log_files: Count("How many rotated logs a sensor keeps", 3, 0),
    },
    section,
  ),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The effective configuration: complete, validated and frozen, with absolute paths. */
export type Config = DeepReadonly<Static<typeof configSchema>> & {
  readonly sensor: { readonly capabilities: JsonObject };
};
