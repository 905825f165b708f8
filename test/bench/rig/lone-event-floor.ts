/**
 * The floors of a lone event, as a program of its own. It is fed by the bench's sensor as the agent is: a child process writes
 * lines, and each line becomes an event and a message.
 *
 *   row    the event is committed, then its message is published; a crash in between loses the message
 *   line   the row that owes the message is committed with the event, so that a crash can lose neither
 *
 * It decodes and matches nothing, deletes no outbox rows, and stores up to four events at once, which keeps no order.
 *
 * The lines have to come from another process. If the program wrote its own events, none would become due while it stands
 * still, and its slowest hundredth would not show that it did: stopped for 30 ms of every second, such a program measured a p99
 * of 9 ms, and this one 27 ms.
 *
 *     node lone-event-floor.ts KIND DATABASE_URL BROKER_URL EMISSION
 *
 * EMISSION: the configuration of the bench's sensor, as JSON. It ends with its standard input.
 */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "amqplib";
import { Pool } from "pg";
import { eventsExchange } from "./queue.ts";

const [kind, databaseUrl = "", brokerUrl = "", emission = ""] = process.argv.slice(2);
const insertEvent = `insert into attune.event (trigger_ref, payload) values ('bench.line', $1::jsonb -> 'payload')`;
const insertBoth = `
  with stored as (${insertEvent} returning id)
  insert into attune.outbox (message_id, routing_key, event)
  select $2, 'event.created', id from stored`;

const pool = new Pool({ connectionString: databaseUrl, max: 4 });
const connection = await connect(brokerUrl);
const channel = await connection.createConfirmChannel();
const emitter = spawn(process.execPath, [join(import.meta.dirname, "../packs/bench/sensors/emitter.mjs")], {
  env: { ATTUNE_SENSOR_CONFIG_JSON: emission },
  stdio: ["ignore", "pipe", "inherit"],
});
createInterface({ input: emitter.stdout }).on("line", (line) => void store(line));
process.stdin.resume().on("end", () => {
  emitter.kill("SIGKILL");
  process.exit(0);
});

async function store(line: string): Promise<void> {
  const messageId = randomUUID();
  await pool.query(
    kind === "row"
      ? { name: "event", text: insertEvent, values: [line] }
      : { name: "both", text: insertBoth, values: [line, messageId] },
  );
  // The consumer reads the time at which the line was written from where the agent's messages have it.
  const body = Buffer.from(`{"payload":${line}}`);
  channel.publish(eventsExchange, "event.created", body, { persistent: true, messageId });
}
