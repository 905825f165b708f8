import { expect, test } from "vitest";
import { openPostgresql } from "../../src/database/postgresql/postgresql.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { startPgbouncer } from "../support/pgbouncer.ts";
import { freshDatabase } from "../support/postgres.ts";

test.each(["transaction", "statement"] as const)(
  "a pooler that shares sessions (%s) is refused and named",
  async (poolMode) => {
    await using fresh = await freshDatabase();
    await using pooler = await startPgbouncer(fresh.url, poolMode);

    await expect(openPostgresql({ url: pooler.url, logger: silentLogger })).rejects.toMatchObject({
      code: "DATABASE_POOLER",
      message: expect.stringMatching(/a pooler answers there that shares sessions .*pool_mode = transaction/),
    });
  },
);

test("a pooler that gives each connection its own session works", async () => {
  await using fresh = await freshDatabase();
  await using pooler = await startPgbouncer(fresh.url, "session");

  await using database = await openPostgresql({ url: pooler.url, logger: silentLogger });

  expect((await database.query({ text: "select 1 as one" })).rows).toEqual([{ one: 1 }]);
});
