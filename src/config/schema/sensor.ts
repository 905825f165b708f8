/** The worker, and how it runs sensors. */
import { Type } from "typebox";
import { Bytes, Count, Seconds, section, Text, Url } from "./values.ts";

export const sensor = Type.Object(
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
    line_bytes_max: Bytes("Maximum bytes of a stream sensor's line, and of a poll sensor's event", 1_048_576),
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
);
