import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { LocalToken } from "../../src/identity/local-token.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { openIdentityRig } from "./identity-rig.ts";

test.each([
  ["was revoked", "insert into revoked_token (jti, expires_at) values ($1, now() + interval '1 day')"],
  ["lost its identity", "delete from identity where login = 'agent' and $1 <> ''"],
])("a token that %s is replaced at once", async (_what, statement) => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await using rig = await openIdentityRig(database);
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-local-"));
  const local = new LocalToken({
    dataDirectory: directory.path,
    url: "http://127.0.0.1:8080",
    certificate: undefined,
    mint: rig.mint,
    isValid: async (token) => (await rig.authenticator.authenticate(token)) !== undefined,
    logger: silentLogger,
    clock: systemClock,
    random: () => 0,
  });
  await using listening = await database.listen("attune_change", () => {
    // In this order, as an agent does.
    rig.authenticator.wake();
    local.wake();
  });
  const ending = new AbortController();
  const run = local.run(ending.signal);
  const token = async (): Promise<string> => {
    const text = await readFile(join(directory.path, "agent.json"), "utf8").catch(() => "{}");
    return (JSON.parse(text) as { token?: string }).token ?? "";
  };
  await expect.poll(token).not.toBe("");
  const first = await token();
  const claims = JSON.parse(Buffer.from(first.split(".")[1] ?? "", "base64url").toString()) as {
    jti: string;
  };

  await query(database, statement, [claims.jti]);

  await expect
    .poll(async () => await rig.authenticator.authenticate(await token()))
    .toMatchObject({
      login: "agent",
      role: "admin",
    });
  expect(await token()).not.toBe(first);
  ending.abort();
  await run;
  await listening[Symbol.asyncDispose]();
});
