/** How events are stored, published and kept. */
import { Type } from "typebox";
import { Count, Keep, Seconds, section } from "./values.ts";

export const events = Type.Object(
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
);

export const retention = Type.Object(
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
);
