import { expect, test } from "vitest";
import type { Query, Queryable } from "../../src/database/database.ts";
import { TokenRevocations } from "../../src/identity/token-revocations.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

test("tokens that are revoked together are revoked in one statement, each for as long as asked", async () => {
  await using fresh = await freshDatabase();
  const sent: (string | undefined)[] = [];
  const counting: Queryable = {
    query(statement: Query) {
      sent.push(statement.name);
      return fresh.database.query(statement);
    },
  };
  const revocations = new TokenRevocations(counting);

  const tokens = Array.from({ length: 10 }, (_, n) => `t${n}`);
  await Promise.all([...tokens, "t3"].map((jti, n) => revocations.revoke(jti, 60 * (n + 1))));

  expect(sent).toEqual(["revoke_tokens"]);
  const rows = await query<{ jti: string; minutes: number }>(
    fresh.database,
    "select jti, round(extract(epoch from expires_at - now()) / 60)::int as minutes from revoked_token order by jti",
  );
  expect(rows).toEqual(tokens.map((jti, n) => ({ jti, minutes: jti === "t3" ? 11 : n + 1 })));
});

test("a statement that fails fails for those in it, and not for those after it", async () => {
  let attempts = 0;
  const revocations = new TokenRevocations({
    async query() {
      attempts += 1;
      if (attempts === 1) throw new Error("the database is away");
      return { rows: [] };
    },
  });

  const [first, second] = [revocations.revoke("t1", 1), revocations.revoke("t2", 1)];
  const both = await Promise.allSettled([first, second]);

  expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await expect(revocations.revoke("t3", 1)).resolves.toBeUndefined();
});
