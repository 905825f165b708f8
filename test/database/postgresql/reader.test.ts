/** Rows of a large result are handed over as they arrive. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { openReader, type Reader } from "../../../src/database/postgresql/reader.ts";
import { heapUsed } from "../../support/heap-used.ts";
import { freshDatabase } from "../../support/postgres.ts";

const opened = new AsyncDisposableStack();
let reader: Reader;

beforeAll(async () => {
  const { url } = opened.use(await freshDatabase());
  reader = opened.use(
    await openReader({ url, tls: {}, schema: "attune", applicationName: "reader test", statementMs: 30_000 }),
  );
});

afterAll(() => opened.disposeAsync());

async function countRows(
  text: string,
  onRow: (columns: readonly unknown[]) => void = () => {},
): Promise<number> {
  let count = 0;
  await reader.eachRow({ text }, (columns) => {
    count += 1;
    onRow(columns);
  });
  return count;
}

test("rows that were handed over are not kept", async () => {
  const [rows, bytesEach] = [40_000, 2_000];
  let kept = 0;
  let last: readonly unknown[] = [];
  const before = heapUsed();

  const count = await countRows(
    `select n, repeat('x', ${bytesEach}) as text from generate_series(1, ${rows}) as n`,
    (columns) => {
      last = columns;
      if (columns[0] === rows) kept = heapUsed() - before;
    },
  );

  expect(count).toBe(rows);
  expect(last).toEqual([rows, "x".repeat(bytesEach)]);
  expect(kept).toBeLessThan((rows * bytesEach) / 4);
});

test("an error of the callback is thrown, and the next statement runs", async () => {
  const failing = countRows("select generate_series(1, 3)", () => {
    throw new Error("not this one");
  });

  await expect(failing).rejects.toThrow("not this one");
  expect(await countRows("select generate_series(1, 3)")).toBe(3);
});

test("an error of the server behind some rows is thrown, and nothing can be written", async () => {
  const rows: (readonly unknown[])[] = [];

  const failing = countRows("select 1 / (3 - n) as part from generate_series(1, 5) as n", (row) =>
    rows.push(row),
  );
  await expect(failing).rejects.toThrow("division by zero");
  expect(rows).toEqual([[0], [1]]);
  await expect(countRows("delete from event returning id")).rejects.toThrow("read-only transaction");
});
