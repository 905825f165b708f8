/** Pages of a back-test, however small, together hold what is stored. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openReader, type Reader } from "../../src/database/postgresql/reader.ts";
import { eachRowOf } from "../../src/database/statement.ts";
import {
  readBacktestPage,
  type BacktestPage,
  type BacktestRow,
} from "../../src/database/statements/backtests.ts";
import { objectOf } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const opened = new AsyncDisposableStack();
let fresh: FreshDatabase;
let reader: Reader;

beforeAll(async () => {
  fresh = opened.use(await freshDatabase());
  const { database, url } = fresh;
  reader = opened.use(
    await openReader({ url, tls: {}, schema: "attune", applicationName: "pages", statementMs: 30_000 }),
  );
  await insertTrigger(database, "page.t");
});

afterAll(() => opened.disposeAsync());

const withoutNul = (text: string): string => text.toWellFormed().replaceAll("\0", "");
const word = fc.string({ unit: "grapheme", maxLength: 12 }).map(withoutNul);
/** Longer than the payloads from which keys are taken on the server, even when it is compressed. */
const long = Array.from({ length: 2_000 }, (_, index) =>
  ((index * 2_654_435_761) % 2 ** 32).toString(36),
).join("");
const payloadJsons = fc.oneof(
  fc.constantFrom(
    JSON.stringify({ text: "short", long }),
    '{"text": "two\\nlines\\r\\u2028and \\"more\\""}',
    '{"n": 1.50, "big": 12345678901234567890}',
  ),
  fc.dictionary(word, word).map((payload) => JSON.stringify(payload)),
);
/** In microseconds; also before 1970. */
const microseconds = fc.integer({ min: -2_000_000_000_000, max: 1_800_000_000_000_000 });
const event = fc.record({
  payload: fc.option(payloadJsons),
  sourceRef: fc.option(word),
  ruleRef: fc.option(word),
  occurredUs: fc.option(microseconds),
  createdUs: fc.integer({ min: 1_700_000_000_000_000, max: 1_700_000_000_000_050 }),
});

const everyEvent = {
  triggerRef: "page.t",
  untilUs: "1900000000000000",
  revisionMin: null,
  enforcedRule: null,
};

/** Read at once, with the exact time. */
async function storedRows(): Promise<readonly BacktestRow[]> {
  const rows = await query<{ [Column in keyof BacktestRow]: BacktestRow[Column] }>(
    fresh.database,
    `select id, coalesce(payload::text, '{}') as "payloadJson", source_ref as "sourceRef", rule_ref as "ruleRef",
            occurred_at as "occurredAt", (extract(epoch from created) * 1000000)::bigint as "createdUs",
            null as "isEnforced"
       from event
      where trigger_ref = 'page.t'
      order by created, id`,
  );
  return rows;
}

/** The row, with what its payload has at these keys. */
function readable({ payloadJson, ...row }: BacktestRow, keys: readonly string[]): unknown {
  const payload = objectOf(parseJson(payloadJson));
  const members = keys.filter((key) => Object.hasOwn(payload, key)).map((key) => [key, payload[key]]);
  return { ...row, members };
}

test("pages hold every event once, in order, as it is stored", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(event, { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.option(fc.integer({ min: 1, max: 100 })),
      fc.option(fc.array(fc.oneof(word, fc.string(), fc.constantFrom("text", "n", "big", "\0", "\ud800")))),
      async (events, countMax, bytesMax, keys) => {
        await query(fresh.database, "delete from event");
        await query(
          fresh.database,
          `insert into event (trigger_ref, payload, source_ref, rule_ref, occurred_at, created)
         select 'page.t', (item ->> 'payload')::jsonb, item ->> 'sourceRef', item ->> 'ruleRef',
                timestamptz 'epoch' + (item ->> 'occurredUs')::bigint * interval '1 microsecond',
                timestamptz 'epoch' + (item ->> 'createdUs')::bigint * interval '1 microsecond'
           from jsonb_array_elements($1::jsonb) as item`,
          [JSON.stringify(events)],
        );

        const read: BacktestRow[] = [];
        let after: BacktestPage["after"] = { createdUs: "0", id: "0" };
        for (;;) {
          const page = { ...everyEvent, after, countMax };
          const statement = readBacktestPage({ payloadKeys: keys ?? undefined, bytesMax });
          await eachRowOf(reader, statement, page, (row) => {
            read.push(row);
            after = { createdUs: row.createdUs, id: row.id };
          });
          if (after === page.after) break;
        }

        const stored = await storedRows();
        if (keys === null) expect(read).toEqual(stored);
        else expect(read.map((row) => readable(row, keys))).toEqual(stored.map((row) => readable(row, keys)));
      },
    ),
    { numRuns: 40 },
  );
});
