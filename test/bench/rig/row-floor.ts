/**
 * Floor (a) as a program: the rows of events, of one enforcement in ten, and of their messages, in
 * batches, one statement each, for a number of seconds.
 *
 *     node row-floor.ts DATABASE_URL SECONDS [WHEN] → {"count": …, "seconds": …, "processorSeconds": …}
 *
 * WHEN: the milliseconds since 1970 from which on it counts; until then it works, too.
 */
import { Client } from "pg";
import { floorPayload } from "./floor-payload.ts";

const [url = "", seconds = "", when = "0"] = process.argv.slice(2);
const batchRows = 500;
const durationMs = Number(seconds) * 1_000;

const statement = {
  name: "store_batch",
  text: `
    with input as (
      select nextval('attune.event_id_seq') as id, line.payload, (line.payload ->> 'isTenth')::boolean as is_tenth
        from jsonb_array_elements($1::jsonb) as line (payload)
    ), stored as (
      insert into attune.event (id, trigger_ref, config, payload, source_ref)
      select id, 'bench.line', '{}', payload, 'bench.emitter' from input
      returning id
    ), matched as (
      insert into attune.enforcement (rule_ref, trigger_ref, event, config, payload)
      select 'bench.tenth', 'bench.line', id, '{}', payload from input where is_tenth
      returning id
    ), owed as (
      insert into attune.outbox (message_id, routing_key, event)
      select gen_random_uuid(), 'event.created', id from stored
    )
    insert into attune.outbox (message_id, routing_key, enforcement)
    select gen_random_uuid(), 'enforcement.created', id from matched`,
};

const client = new Client({ connectionString: url });
await client.connect();
let sequence = 0;
await storeUntil(performance.now() + Math.max(0, Number(when) - Date.now()));
const startedAtMs = performance.now();
const processorBefore = process.cpuUsage();
const count = await storeUntil(startedAtMs + durationMs);
const { user, system } = process.cpuUsage(processorBefore);
const spent = { seconds: (performance.now() - startedAtMs) / 1_000, processorSeconds: (user + system) / 1e6 };
process.stdout.write(`${JSON.stringify({ count, ...spent })}\n`);
await client.end();

/** @returns how many */
async function storeUntil(endsAtMs: number): Promise<number> {
  const before = sequence;
  while (performance.now() < endsAtMs) {
    const payloads = Array.from({ length: batchRows }, () => floorPayload(sequence++));
    await client.query({ ...statement, values: [`[${payloads.join(",")}]`] });
  }
  return sequence - before;
}
