import { expect, test } from "vitest";
import type { Query } from "../../src/database/database.ts";
import { SnapshotReads } from "../../src/database/snapshot-reads.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

test("a read sees one snapshot and cannot write", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const reads = new SnapshotReads(database);
  const insert = "insert into trigger (ref) values ('t.one')";

  const counts = await reads.read(async (rows) => {
    const count = async () =>
      (await query<{ n: number }>(rows, "select count(*)::int as n from trigger"))[0]?.n;
    const before = await count();
    await query(database, insert);
    return [before, await count()];
  });

  expect(counts[1]).toBe(counts[0]);
  await expect(reads.read((rows) => query(rows, "delete from trigger"))).rejects.toMatchObject({
    code: "25006",
  });
});

test("a slow statement is ended by the server, and its connection stays in use", async () => {
  await using fresh = await freshDatabase();
  const reads = new SnapshotReads(fresh.database, { statementMs: 50 });

  await expect(reads.read((rows) => query(rows, "select pg_sleep(30)"))).rejects.toMatchObject({
    code: "57014",
  });

  expect(fresh.database.health().state).toBe("up");
  expect(await reads.read((rows) => query(rows, "select 1 as one"))).toEqual([{ one: 1 }]);
});

test("only so many read at once, the others wait, and too many are refused", async () => {
  await using fresh = await freshDatabase();
  const reads = new SnapshotReads(fresh.database, { atOnceMax: 2, waitingMax: 3 });
  const held = Promise.withResolvers<void>();
  let reading = 0;
  let most = 0;
  const read = () =>
    reads.read(async () => {
      reading += 1;
      most = Math.max(most, reading);
      await held.promise;
      reading -= 1;
    });

  const admitted = Array.from({ length: 5 }, read);
  await expect(read()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect.poll(() => reading).toBe(2);
  held.resolve();
  await Promise.all(admitted);

  expect(most).toBe(2);
  await read();
});

test("a read of one statement takes its turn like the others, and is that statement alone", async () => {
  await using fresh = await freshDatabase();
  const sent: (string | undefined)[] = [];
  const database = {
    ...fresh.database,
    query: async (statement: Query) => {
      sent.push(statement.text);
      return await fresh.database.query(statement);
    },
  };
  const held = Promise.withResolvers<void>();
  const reads = new SnapshotReads(database, { atOnceMax: 1, waitingMax: 1 });

  const before = reads.read(() => held.promise);
  const answer = query(reads, "select 1 as one");
  await expect(query(reads, "select 2 as two")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(sent).toEqual([]);
  held.resolve();
  await before;

  expect(await answer).toEqual([{ one: 1 }]);
  expect(sent).toEqual(["select 1 as one"]);
});

// Goal: a caller waits no longer than its limit, and a read that hangs keeps its place, so that hanging reads cannot pile up.
test("a caller that times out gets an error, even while it waits for its turn", async () => {
  await using fresh = await freshDatabase();
  const reads = new SnapshotReads(fresh.database, { atOnceMax: 1, totalMs: 100 });
  const held = Promise.withResolvers<void>();
  let secondRan = false;

  const first = reads.read(() => held.promise);
  const second = reads.read(async () => {
    secondRan = true;
  });
  await expect(first).rejects.toThrow("no answer within 100 ms");
  await expect(second).rejects.toThrow("no answer within 100 ms");
  held.resolve();

  await expect.poll(() => reads.read(async () => "again").catch(() => undefined)).toBe("again");
  expect(secondRan).toBe(false);
});
