/**
 * The second floor of a lone event, as a program of its own: the least that can stand between a sensor's line and its
 * message if a crash may lose neither. A child process writes lines; each line's event is committed together with the row
 * that owes its message, then the message is published persistently with a confirm. It decodes and matches nothing,
 * deletes no outbox rows, and stores up to four events at once, which keeps no order.
 *
 *     node line-floor.ts DATABASE_URL BROKER_URL EMISSION
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

const [databaseUrl = "", brokerUrl = "", emission = ""] = process.argv.slice(2);
const text = `
  with stored as (
    insert into attune.event (trigger_ref, payload) values ('bench.line', $1::jsonb -> 'payload') returning id
  )
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
  await pool.query({ name: "insert", text, values: [line, messageId] });
  // The consumer reads the time at which the line was written from where the agent's messages have it.
  const body = Buffer.from(`{"payload":${line}}`);
  channel.publish(eventsExchange, "event.created", body, { persistent: true, messageId });
}
