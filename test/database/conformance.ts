/**
 * The conformance suite for databases. Each test gets its own migrated database, or
 * one that the tests of a file share.
 */
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { classifyDatabaseError, violatesUniqueness } from "../../src/database/errors.ts";

export type OpenDatabase = () => Promise<Database>;

export function testConformance(open: OpenDatabase): void {
  test("values come back as the interface promises", async () => {
    const database = await open();
    const { rows } = await database.query({
      text: `select 9007199254740993::bigint as big, 1.50::numeric as exact, 2::int as small, 2.5::float8 as real,
                    true as truth, null as nothing, '2026-01-02T03:04:05.678Z'::timestamptz as instant,
                    '{"a": [1, null]}'::jsonb as document, 'null'::jsonb as json_null,
                    date '2026-01-02' as day, timestamp '2026-01-02 03:04:05' as local, interval '90 minutes' as span,
                    array[1, 2]::bigint[] as bigs, array['a', null] as words,
                    '018f0000-0000-8000-8000-000000000000'::uuid as uuid`,
      values: [],
    });

    expect(rows).toEqual([
      {
        big: "9007199254740993",
        exact: "1.50",
        small: 2,
        real: 2.5,
        truth: true,
        nothing: null,
        instant: new Date("2026-01-02T03:04:05.678Z"),
        document: { a: [1, null] },
        json_null: null,
        day: "2026-01-02",
        local: "2026-01-02 03:04:05",
        span: "01:30:00",
        bigs: ["1", "2"],
        words: ["a", null],
        uuid: "018f0000-0000-8000-8000-000000000000",
      },
    ]);
  });

  test("parameters arrive as they were meant", async () => {
    const database = await open();
    const { rows } = await database.query({
      text: `select $1::bigint as big, $2::jsonb as document, $3::boolean as truth, $4::timestamptz as instant,
                    $5::text[] as words, $6::float8 as real, $7::text as nothing, $8::bigint[] as bigs,
                    $9::text as missing, $10::int as small, $11::jsonb as given`,
      values: [
        "9007199254740993",
        '{"a": 1}',
        false,
        new Date(1_000),
        ["a,b", 'quo"te', "back\\slash", "", null, "NULL", "{}"],
        0.1,
        null,
        ["1", 2n],
        undefined,
        7,
        { a: 1 },
      ],
    });

    expect(rows).toEqual([
      {
        big: "9007199254740993",
        document: { a: 1 },
        truth: false,
        instant: new Date(1_000),
        words: ["a,b", 'quo"te', "back\\slash", "", null, "NULL", "{}"],
        real: 0.1,
        nothing: null,
        bigs: ["1", "2"],
        missing: null,
        small: 7,
        given: { a: 1 },
      },
    ]);
  });

  test("a named statement runs again with other values", async () => {
    const database = await open();
    const double = { name: "conformance_double", text: "select $1::int * 2 as twice" };

    const first = await database.query({ ...double, values: [2] });
    const second = await database.query({ ...double, values: [21] });

    expect([first.rows, second.rows]).toEqual([[{ twice: 4 }], [{ twice: 42 }]]);
  });

  test("several statements in one text return the rows of the last", async () => {
    const database = await open();
    const { rows } = await database.query({ text: "select 1 as a; select 2 as b" });

    expect(rows).toEqual([{ b: 2 }]);
  });

  test("names are found in the schema", async () => {
    const database = await open();
    const { rows } = await database.query({ text: "select current_schema() as schema" });

    expect(rows).toEqual([{ schema: database.schema }]);
    expect((await database.relaxed.query({ text: "select 1 from worker limit 0" })).rows).toEqual([]);
  });

  test("a transaction that returns is committed", async () => {
    const database = await open();
    await database.transaction(async (transaction) => {
      await transaction.query({ text: "insert into pack (ref) values ('committed')" });
    });

    expect(await packs(database, "committed")).toBe(1);
  });

  test("a transaction that throws leaves nothing and passes the error on", async () => {
    const database = await open();
    const mishap = new Error("mishap");
    const work = database.transaction(async (transaction) => {
      await transaction.query({ text: "insert into pack (ref) values ('thrown')" });
      throw mishap;
    });

    await expect(work).rejects.toBe(mishap);
    expect(await packs(database, "thrown")).toBe(0);
  });

  test("a transaction whose statement failed does not pretend to commit", async () => {
    const database = await open();
    const work = database.transaction(async (transaction) => {
      await transaction.query({ text: "insert into pack (ref) values ('pretended')" });
      await transaction.query({ text: "select 1 / 0" }).catch(() => {});
    });

    await expect(work).rejects.toMatchObject({ code: "25P02" });
    expect(await packs(database, "pretended")).toBe(0);
  });

  test("concurrent transactions all succeed", async () => {
    const database = await open();
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        database.transaction(async (transaction) => {
          await transaction.query({ text: "insert into pack (ref) values ($1)", values: [`many_${index}`] });
          await transaction.query({ text: "select pg_notify('conformance_many', '')" });
        }),
      ),
    );

    const { rows } = await database.query({
      text: "select count(*)::int as n from pack where ref like 'many%'",
    });
    expect(rows).toEqual([{ n: 30 }]);
  });

  test("a relaxed statement is visible at once", async () => {
    const database = await open();
    await database.relaxed.query({ text: "insert into pack (ref) values ($1)", values: ["relaxed"] });

    expect(await packs(database, "relaxed")).toBe(1);
  });

  test("a failed statement reports its SQLSTATE and leaves the database usable", async () => {
    const database = await open();
    const duplicate = { text: "insert into pack (ref) values ('core')" };

    await expect(database.query(duplicate)).rejects.toMatchObject({ code: "23505" });
    await expect(database.query({ text: "selec 1" })).rejects.toMatchObject({ code: "42601" });
    await expect(database.query({ ...duplicate, values: [] })).rejects.toMatchObject({ code: "23505" });
    await expect(database.query({ text: "select $1::int", values: ["x"] })).rejects.toMatchObject({
      code: "22P02",
    });
    expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
  });

  test("a duplicate reports the key that it violates", async () => {
    const database = await open();
    const duplicate = { text: "insert into pack (id, ref) select id, 'other' from pack limit 1" };
    const failure: unknown = await database.query(duplicate).catch((error: unknown) => error);

    expect(violatesUniqueness(failure, "pack_pkey")).toBe(true);
    expect(violatesUniqueness(failure, "pack_ref_key")).toBe(false);
  });

  test.each([
    { what: "a duplicate", text: "insert into pack (ref) values ('core')", kind: "rejected-data" },
    { what: "a number too large", text: "select 3000000000::bigint::int", kind: "rejected-data" },
    { what: "text with a null character", text: `select '{"a": "\\u0000"}'::jsonb`, kind: "rejected-data" },
    { what: "a missing table", text: "select from nowhere", kind: "defect" },
    { what: "a statement given up", text: "do $$ begin raise query_canceled; end $$", kind: "unavailable" },
    { what: "a deadlock", text: "do $$ begin raise deadlock_detected; end $$", kind: "conflict" },
  ])("$what is classified as $kind", async ({ text, kind }) => {
    const database = await open();
    const failure: unknown = await database.query({ text }).catch((error: unknown) => error);

    expect(classifyDatabaseError(failure)).toBe(kind);
  });

  test("a listener is called once when subscribed and for each notification after", async () => {
    const database = await open();
    const heard: (string | undefined)[] = [];
    const subscription = await database.listen("Conformance heard", (payload) => heard.push(payload));
    await database.query({ text: `select pg_notify('Conformance heard', 'one')` });
    await database.transaction(async (transaction) => {
      await transaction.query({ text: `select pg_notify('Conformance heard', 'two')` });
    });

    await expect.poll(() => heard, { timeout: 10_000 }).toEqual([undefined, "one", "two"]);
    await subscription[Symbol.asyncDispose]();
  });

  test("a disposed listener gets nothing while another on the channel still does", async () => {
    const database = await open();
    const heard: string[] = [];
    const first = await database.listen("conformance_two", () => heard.push("first"));
    const second = await database.listen("conformance_two", () => heard.push("second"));
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    heard.length = 0;

    await database.query({ text: "notify conformance_two" });

    await expect.poll(() => heard, { timeout: 10_000 }).toEqual(["second"]);
    await second[Symbol.asyncDispose]();
  });

  test("a lock has one holder at a time, also within the process", async () => {
    const database = await open();
    const lock = await database.tryLock("it's a lock");
    expect(lock?.isHeld).toBe(true);
    expect(await database.tryLock("it's a lock")).toBeUndefined();
    expect((await database.tryLock("another"))?.isHeld).toBe(true);

    await lock?.[Symbol.asyncDispose]();
    await lock?.[Symbol.asyncDispose]();

    expect(lock?.isHeld).toBe(false);
    expect((await database.tryLock("it's a lock"))?.isHeld).toBe(true);
  });

  test("health reports that it is up and where", async () => {
    const database = await open();
    await database.query({ text: "select 1" });
    const health = database.health();

    expect(health.state).toBe("up");
    expect(health.detail).toContain(database.address);
    expect(performance.now() - health.checkedAtMs).toBeLessThan(5_000);
  });
}

async function packs(database: Database, ref: string): Promise<number> {
  const { rows } = await database.query({ text: "select 1 from pack where ref = $1", values: [ref] });
  return rows.length;
}
