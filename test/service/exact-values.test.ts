/**
 * What goes in comes out: arbitrary JSON on its way from a sensor's line to everything that is made of it.
 *
 * The oracles are the text itself, which travels to messages unchanged, and PostgreSQL, which compares
 * numbers by their decimal value: jsonb does not keep how a number was written (1e3 becomes 1000).
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Database } from "../../src/database/database.ts";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { jsonTexts } from "../support/json-texts.ts";
import { insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

const valueCount = 150;
const known = [
  "2882429806056571124",
  "1e400",
  "1e-400",
  "-0",
  "1.50",
  "0.1000000000000000055511151231257827",
  '{"__proto__":{"n":9007199254740993}}',
];

test("arbitrary JSON comes out of rows, messages, templates, checkpoint and environment as it went in", async () => {
  const values = fc.array(jsonTexts, { minLength: valueCount, maxLength: valueCount });
  await fc.assert(
    fc.asyncProperty(values, (texts) => expectUnchanged([...known, ...texts])),
    { numRuns: 1, endOnFailure: true },
  );
});

async function expectUnchanged(texts: readonly string[]): Promise<void> {
  const all = `[${texts.join(",")}]`;
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();
  const { database } = fresh;
  await using bodies = await collectBodies(vhost.url);
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: vhost.url,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "exact",
  });
  const linesFile = join(folder.path, "lines");
  const lines = texts.map(
    (text, n) => `{"payload":{"n":${n},"value":${text}},"checkpoint":{"n":${n},"all":${all}}}\n`,
  );
  await writeFile(linesFile, lines.join(""));
  await insertRows(database, linesFile, all);

  {
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    await expect.poll(() => countOf(database, "event"), { timeout: 60_000 }).toBe(texts.length);
    await expect.poll(() => countOf(database, "outbox"), { timeout: 60_000 }).toBe(0);
    await expect.poll(() => bodies.texts.length, { timeout: 60_000 }).toBe(2 * texts.length);
  }
  await expectEqualRows(database, texts, all);
  await expectEqualMessages(database, bodies.texts, texts);

  {
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    const given = async (): Promise<Record<string, string | null>> =>
      JSON.parse(await readFile(`${linesFile}.given`, "utf8"));
    await expect.poll(async () => (await given()).checkpoint, { timeout: 60_000 }).not.toBeNull();
    const { checkpoint, config, triggers } = await given();
    const [equal] = await query(
      database,
      `select $1::jsonb->'all' = $2::jsonb as checkpoint, $3::jsonb = $2::jsonb as config,
              $4::jsonb#>'{0,trigger_params,values}' = $2::jsonb as params`,
      [checkpoint, all, config, triggers],
    );
    expect(equal).toEqual({ checkpoint: true, config: true, params: true });
  }
}

/** As the database writes them: messages that were read back from their rows have its spaces and order of keys. */
async function expectEqualMessages(
  database: Database,
  bodies: readonly string[],
  texts: readonly string[],
): Promise<void> {
  const found = await query<{ n: number; count: number }>(
    database,
    `select n::int - 1 as n, count(*)::int as count
       from unnest($1::text[]) with ordinality as written (value, n)
       join unnest($2::text[]) as message (body)
         on (body::jsonb #>> '{payload,payload,n}')::int = n - 1
        and (body::jsonb #> '{payload,payload,value}')::text = value::jsonb::text
      group by n
      order by n`,
    [texts, bodies],
  );
  expect(found).toEqual(texts.map((_, n) => ({ n, count: 2 })));
}

async function insertRows(database: Database, linesFile: string, all: string): Promise<void> {
  await insertTrigger(database, "fault.value");
  await insertSensor(database, {
    ref: "fault.repeater",
    triggerRef: "fault.value",
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "repeater.mjs",
  });
  await query(
    database,
    "update sensor set config = jsonb_build_object('linesFile', $1::text, 'values', $2::jsonb)",
    [linesFile, all],
  );
  await query(
    database,
    `insert into rule (ref, action_ref, trigger, trigger_ref, enabled, trigger_params, action_params)
     values ('fault.any', 'core.noop', (select id from trigger where ref = 'fault.value'), 'fault.value', true,
             jsonb_build_object('values', $1::jsonb), $2)`,
    [
      all,
      JSON.stringify({
        whole: "{{ event.payload.value }}",
        text: "n={{ event.payload.value }}",
        params: "{{ trigger_params.values }}",
      }),
    ],
  );
}

async function expectEqualRows(database: Database, texts: readonly string[], all: string): Promise<void> {
  const rows = await query(
    database,
    `select value.n::int - 1 as n, value.text::jsonb = event.payload->'value' as event,
            value.text::jsonb = enforcement.config->'whole' as template,
            $2::jsonb = enforcement.config->'params' as params,
            case jsonb_typeof(event.payload->'value')
              when 'string' then 'n=' || (event.payload->>'value') = enforcement.config->>'text'
              when 'null' then 'n=' = enforcement.config->>'text'
              else 'n=' || value.text = enforcement.config->>'text'
            end as text
       from unnest($1::text[]) with ordinality as value (text, n)
       left join event on (event.payload->>'n')::int = value.n - 1
       left join enforcement on enforcement.event = event.id
      order by n`,
    [texts, all],
  );
  expect(rows).toEqual(
    texts.map((_text, n) => ({ n, event: true, template: true, params: true, text: true })),
  );
}

async function countOf(database: Database, table: "event" | "outbox"): Promise<number> {
  const [row] = await query<{ count: number }>(database, `select count(*)::int as count from ${table}`);
  return row?.count ?? 0;
}

async function collectBodies(url: string): Promise<{ readonly texts: readonly string[] } & AsyncDisposable> {
  const transport = await openRabbitmq({ url, logger: silentLogger });
  const texts: string[] = [];
  await transport.subscribe(
    { exchange: "attune.events", bindings: ["event.#", "enforcement.#"], queue: "bodies", prefetch: 1_000 },
    async ({ body }) => {
      texts.push(body.toString());
      return "done";
    },
  );
  return { texts, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
}
