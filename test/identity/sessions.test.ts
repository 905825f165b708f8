/** Sessions of people against a real PostgreSQL. */
import { expect, test } from "vitest";
import { IdentityAdministration } from "../../src/identity/identity-administration.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { openIdentityRig } from "./identity-rig.ts";

const password = "correct horse battery staple";
const attempt = { login: "ada", address: "192.0.2.1" };

// Goal: after a change of the password, a stolen refresh token is useless at once, on every agent.
// Method: an agent knows the token, and hears of the change only later.
test.each([
  {
    what: "a new password",
    change: (administration: IdentityAdministration) => administration.setPassword("ada", "another password"),
    sql: "select",
  },
  { what: "another role", change: async () => {}, sql: "update identity set role = 'viewer'" },
])("a refresh token from before $what gets no session", async ({ change, sql }) => {
  await using fresh = await freshDatabase();
  await using rig = await openIdentityRig(fresh.database, { isNotified: false });
  const administration = new IdentityAdministration(fresh.database, rig.mint);
  await administration.add({ login: "ada", role: "admin", password });
  const opened = await rig.sessions.logIn(attempt, password);
  const refreshToken = opened.kind === "open" ? opened.session.refreshToken : "";
  expect(await rig.sessions.refresh(refreshToken)).toBeDefined();

  await change(administration);
  await query(fresh.database, sql);

  expect(await rig.sessions.refresh(refreshToken)).toBeUndefined();
});
