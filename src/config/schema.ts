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
      ca: PemFile(`PEM file with the certificate of the authority that signed ${server}'s`),
      cert: PemFile("PEM file with this client's certificate"),
      key: PemFile("PEM file with the key of this client's certificate"),
      server_name: Type.Optional(
        Type.String({ description: "Name in the certificate, if it is not the URL's host", minLength: 1 }),
      ),
      verify: Type.Optional(
        Type.Enum(["full", "ca", "none"], {
          description:
            "How to verify the certificate: fully, with any name (`ca`), or not at all; `full` by default",
        }),
      ),
    },
    section,
  );

const PemFile = (description: string) => Type.Optional(Type.String({ description, minLength: 1 }));

const Keep = (description: string) =>
  Type.Optional(
    Type.String({
      description,
      pattern:
        "^\\s*\\d+(\\.\\d+)?\\s*(d|days?|hours?|rows?|bytes|[kmgtKMGT][bB])?\\s*(,\\s*\\d+(\\.\\d+)?\\s*(d|days?|hours?|rows?|bytes|[kmgtKMGT][bB])?\\s*)*$",
      takesNumbers: true,
      expects: "a number of days, rows or bytes, such as `30 days`, `1000000 rows` or `30 days, 20 GB`",
    }),
  );

const FileOf = (what: string) =>
  Type.Optional(Type.String({ description: `File that contains ${what}`, minLength: 1 }));

export const metricsHostDefault = "127.0.0.1";

export const configSchema = Type.Object({
  database: Type.Object(
    {
      url: Url("PostgreSQL to use; without it, an embedded one in `data_dir`", ["postgres", "postgresql"]),
      url_file: FileOf("`database.url`; reread for each connection"),
      tls: Tls("PostgreSQL"),
      schema: Type.String({
        description: "Schema of the platform's tables",
        default: "attune",
        pattern: "^[a-z_][a-z0-9_]{0,55}$",
        expects: "a name of up to 56 lower-case letters, digits and underscores",
      }),
      max_connections: Count("Maximum number of connections to PostgreSQL", 10, 3),
    },
    section,
  ),
  message_queue: Type.Object(
    {
      url: Url("RabbitMQ to use; without it, an in-process queue", ["amqp", "amqps"]),
      url_file: FileOf("`message_queue.url`; reread for each connection"),
      format: Type.Enum(["envelope", "cloudevents_structured", "cloudevents_binary"], {
        description:
          "How to write messages about events and enforcements; those about rules are always envelopes",
        default: "envelope",
      }),
      exchange: BrokerName("Exchange to publish everything to", "attune.events"),
      executions_exchange: BrokerName("Exchange to which enforcements are forwarded", "attune.executions"),
      dead_letter_exchange: BrokerName("Exchange for messages that consumers reject", "attune.dlx"),
      dead_letter_queue: BrokerName(
        "Queue that collects messages that consumers reject",
        "attune.dead-letters",
      ),
      tls: Tls("RabbitMQ"),
    },
    section,
  ),
  api: Type.Object(
    {
      enabled: Type.Optional(
        Type.Boolean({
          description: "Whether to serve HTTP; by default yes, unless `api.url` names another platform",
        }),
      ),
      host: Text("Address to listen on; by default only this machine can connect", "127.0.0.1"),
      port: Type.Integer({
        description: "Port to listen on; 0 means any free port",
        default: 8080,
        minimum: 0,
        maximum: 65_535,
      }),
      url: Url(
        "URL of the API for sensors; by default this agent's. If it names another platform, that one issues their tokens",
        ["http", "https"],
      ),
      tls: Type.Object(
        {
          cert: PemFile(
            "PEM file with the API's certificate and the intermediate ones; with it, the API serves HTTPS only",
          ),
          key: PemFile("PEM file with the key of `api.tls.cert`; both files are reread when they change"),
          client_ca: PemFile(
            "PEM file with the authorities whose client certificates webhooks may demand; reread when it changes",
          ),
        },
        section,
      ),
      trusted_proxies: Type.Array(Type.String({ minLength: 1 }), {
        description:
          "Addresses and networks (CIDR) of proxies whose X-Forwarded-For tells a client's address",
        default: [],
      }),
    },
    section,
  ),
  metrics: Type.Object(
    {
      host: Text(
        "Address to listen on at `metrics.port`; by default only this machine can connect",
        metricsHostDefault,
      ),
      port: Type.Optional(
        Type.Integer({
          description: "Port for metrics and health only; without it, only the API serves them",
          minimum: 1,
          maximum: 65_535,
        }),
      ),
    },
    section,
  ),
  telemetry: Type.Object(
    {
      otlp_endpoint: Url(
        "Receiver of spans over OTLP/HTTP in JSON, such as `http://collector:4318`; without it, no spans",
        ["http", "https"],
      ),
      sample_ratio: Type.Number({
        description: "Share of the events without a `traceparent` whose spans are exported, from 0 to 1",
        default: 1,
        minimum: 0,
        maximum: 1,
      }),
    },
    section,
  ),
  security: Type.Object(
    {
      jwt_secret: Secret(
        "Signs tokens (HS256); without it, a secret that the first agent keeps in the database",
      ),
      jwt_secret_file: FileOf("`security.jwt_secret`"),
      jwt_secret_previous: Secret("Also valid, but signs nothing: the secret before, while it is replaced"),
      jwt_secret_previous_file: FileOf("`security.jwt_secret_previous`"),
      development: Type.Boolean({
        description:
          "For development only: accept short and well-known secrets, and open the page to this machine without a login",
        default: false,
      }),
      worker_token: Secret(
        "Token of the role `worker` at another platform (`api.url`), to get tokens for sensors",
      ),
      worker_token_file: FileOf("`security.worker_token`"),
      encryption_key: Secret(
        "Encrypts the values of the key store, the same on all agents; with the embedded database, one is made in `data_dir`",
      ),
      encryption_key_file: FileOf("`security.encryption_key`"),
      encryption_key_previous: Secret(
        "Also decrypts: the encryption key before, until all values are encrypted with the new one",
      ),
      encryption_key_previous_file: FileOf("`security.encryption_key_previous`"),
    },
    section,
  ),
  agent: Type.Object(
    {
      binary_dir: Type.Optional(
        Type.String({
          description:
            "Folder of executables that `/api/v1/agent/binary` hands out, such as `attune-sensor-agent-x86_64`",
          minLength: 1,
        }),
      ),
      binary_token: Secret("What a download of the executable must send as X-Agent-Token"),
      binary_token_file: FileOf("`agent.binary_token`"),
    },
    section,
  ),
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
  events: Type.Object(
    {
      batch_rows: Count("Maximum number of events stored by one statement", 500),
      batch_bytes: Count(
        "Maximum bytes of payload per statement, which writes at most four times as much",
        4_194_304,
      ),
      in_flight: Count(
        "Maximum events in flight per sensor; at the limit it waits until they are stored and under 1.5 × as many messages are unconfirmed",
        1000,
      ),
      sweep_interval: Seconds("How often to look, without a hint, for messages that no worker publishes", 60),
      post_wait: Seconds("How long a posted event waits to be stored before the client gets a 503", 6),
    },
    section,
  ),
  retention: Type.Object(
    {
      events: Keep("How much of the events to keep; `30 days` by default, embedded also at most `2 GB`"),
      enforcements: Keep(
        "How much of the enforcements to keep; `30 days` by default, embedded also at most `2 GB`",
      ),
      deduplication: Keep(
        "How long to remember a `dedup_key`, at least; `7 days` by default, embedded also at most `500 MB`",
      ),
      archive_dir: Type.Optional(
        Type.String({
          description: "Folder to which old events and enforcements are written before they are dropped",
          minLength: 1,
        }),
      ),
      deliveries: Type.Number({
        description: "How long the log of webhook deliveries is kept, in seconds",
        default: 604_800,
        exclusiveMinimum: 0,
        maximum: 315_360_000,
      }),
      rule_versions: Type.Number({
        description:
          "How long a version of a rule is kept after the next one, in seconds; longer while events need it",
        default: 31_536_000,
        exclusiveMinimum: 0,
        maximum: 3_153_600_000,
      }),
      delivery_rows: Count("How many rows the log of webhook deliveries may have", 1_000_000),
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
      host: Text("Host name in the worker's row; `{hostname}` is filled in", "{hostname}"),
      heartbeat_interval: Seconds("How long the worker's row may go without a refresh", 30),
      poll_interval: Seconds("Poll interval for sensors that set none", 30),
      sensor_timeout: Seconds("Time limit for a run of a poll sensor that sets none", 30),
      max_concurrent_sensors: Count("Maximum number of sensors on this worker", 10),
      restart_on_error: Type.Boolean({
        description: "Whether to restart a sensor that fails",
        default: true,
      }),
      max_restart_attempts: Count("Consecutive restarts after which a sensor counts as failed", 3, 0),
      restart_delay: Seconds("Delay before the first restart; doubles with each further failure", 1),
      restart_delay_max: Seconds("Maximum delay between two starts", 300),
      stable_after: Seconds("A run of this length resets a sensor's failure count", 60),
      shutdown_timeout: Seconds("How long to wait for sensors to stop before killing them", 30),
      lease_duration: Seconds("How long an assignment outlives its last renewal", 10),
      lease_renewal_interval: Seconds("How often to renew leases; at most half their duration", 3),
      reconcile_interval: Seconds("How often to compare with the database when no change was announced", 120),
      runtime_cache_ttl: Seconds("How long a runtime's verification stays valid across restarts", 600),
      runtime_verification_interval: Seconds("How often to verify runtimes again while running", 300),
      capabilities: Type.Object(
        {
          runtimes: Type.Optional(
            Type.Array(Type.String({ minLength: 1 }), {
              description: "Runtimes to offer instead of the detected ones",
            }),
          ),
        },
        {
          description: "Reported in the worker's row; other keys are allowed",
          default: {},
          additionalProperties: Type.Unknown(),
        },
      ),
      labels: Type.Record(Type.String(), Type.String(), {
        description: "Labels of this worker, reported in its capabilities",
        default: {},
      }),
      file_paths: Type.Array(Type.String({ pattern: "^/" }), {
        description: "Folders that rules on `core.file_changed` may watch, with everything in them",
        default: ["/data", "/mnt", "/media", "/srv", "/tmp", "/var/log", "/var/spool"],
      }),
      passthrough_env: Type.Array(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), {
        description: "Names of additional environment variables that sensors inherit",
        default: [],
      }),
      share_broker: Type.Boolean({
        description: "Whether standalone sensors are given the broker's URL, with its password",
        default: false,
      }),
      token_ttl: Type.Number({
        description: "Lifetime of a standalone sensor's token, which is replaced while the sensor runs",
        default: 86_400,
        minimum: 75,
        maximum: 259_200,
      }),
      deaf_after: Seconds(
        "How long a standalone sensor may have no way to hear of rule changes before it is restarted",
        30,
      ),
      notifier_ws_url: Url(
        "URL at which standalone sensors hear of rule changes; by default `/ws` of the API",
        ["ws", "wss"],
      ),
      allow_insecure_notifier_ws: Type.Boolean({
        description: "Whether standalone sensors may connect to a `ws://` URL that is not on this machine",
        default: false,
      }),
      line_bytes_max: Bytes(
        "Maximum bytes of a stream sensor's line, and of a poll sensor's event",
        1_048_576,
      ),
      poll_bytes_max: Bytes("Maximum bytes that one run of a poll sensor may print", 16_777_216),
      poll_events_max: Count("Maximum number of events that one run of a poll sensor may print", 100_000),
      log_to: Type.Optional(
        Type.Enum(["files", "stderr", "both"], {
          description:
            "Where sensors' stderr goes: files in `logs_dir`, the agent's own log, or both; `files` by default, `both` in a container",
        }),
      ),
      log_bytes: Count("Size in bytes at which a sensor's log is rotated", 10_485_760, 4096),
      log_files: Count("Number of rotated logs to keep per sensor", 3, 0),
    },
    section,
  ),
});

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** The effective configuration: complete, validated and frozen, with absolute paths. */
export type Config = DeepReadonly<Static<typeof configSchema>> & {
  readonly sensor: { readonly capabilities: JsonObject };
};
