/** `/auth` over HTTP, with a real PostgreSQL behind it. */
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startApi, type Api } from "../../src/api/server.ts";
import { hashPassword } from "../../src/identity/password-hash.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { authPorts } from "../../src/service/identity-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openIdentityRig, type IdentityRig } from "../identity/identity-rig.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../support/postgres.ts";

const scope = new AsyncDisposableStack();
const password = "correct horse battery staple";
let fresh: FreshDatabase;
let rig: IdentityRig;
let api: Api;

const start = (served: IdentityRig): Promise<Api> =>
  startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    platform: {
      authenticate: (token) => served.authenticator.authenticate(token),
      auth: authPorts(fresh.database, served),
      resources: databaseResources(fresh.database),
    },
    trustedProxies: ["127.0.0.1"],
    logger: silentLogger,
  });

beforeAll(async () => {
  fresh = scope.use(await freshDatabase());
  rig = scope.use(await openIdentityRig(fresh.database));
  api = scope.use(await start(rig));
  const hash = await hashPassword(password);
  for (const [login, role] of [
    ["ada", "admin"],
    ["vic", "viewer"],
    ["wes", "worker"],
  ]) {
    await query(fresh.database, "insert into identity (login, role, password_hash) values ($1, $2, $3)", [
      login,
      role,
      hash,
    ]);
  }
});

beforeEach(() => query(fresh.database, "delete from login_attempt"));

afterAll(() => scope.disposeAsync());

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown> & { readonly data: Record<string, unknown> };
}

interface Sent {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly address?: string;
}

async function ask(
  method: string,
  path: string,
  { token, body, headers, address = api.address }: Sent = {},
): Promise<Answer> {
  const response = await fetch(`${address}${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    body: (text === "" ? {} : JSON.parse(text)) as Answer["body"],
  };
}

const logIn = (login: string, given = password, headers: Record<string, string> = {}) =>
  ask("POST", "/auth/login", { body: { login, password: given }, headers });

async function accessToken(login: string): Promise<string> {
  return String((await logIn(login)).body.data["access_token"]);
}

async function sensorToken(sensorRef = "p.one", ttlSeconds?: number): Promise<string> {
  const minted = await rig.sensorTokens.mint({
    sensorRef,
    triggerRefs: ["t.one", "t.two"],
    term: { instance: "00000000-0000-4000-8000-000000000001", generation: "3" },
    ttlSeconds,
  });
  return minted.token;
}

const workers = (token: string) => ask("GET", "/api/v1/workers", { token });

test.each(["/auth/login", "/api/v1/auth/login"])("a person logs in at %s and uses the API", async (path) => {
  const { status, body } = await ask("POST", path, { body: { login: "vic", password } });

  expect(status).toBe(200);
  expect(body).toEqual({
    data: {
      access_token: expect.any(String) as string,
      refresh_token: expect.any(String) as string,
      token_type: "Bearer",
      expires_in: 3_600,
      user: { id: expect.any(Number) as number, login: "vic", role: "viewer" },
    },
  });
  expect(await workers(String(body.data["access_token"]))).toMatchObject({ status: 200 });
});

test.each(["/auth/login", "/auth/refresh", "/api/v1/auth/session"])(
  "a large body is refused by %s, which needs no token",
  async (path) => {
    const answer = await ask("POST", path, { body: { login: "ada", password: "x".repeat(40_000) } });

    expect(answer).toMatchObject({ status: 413, body: { code: "PAYLOAD_TOO_LARGE" } });
  },
);

test("a body that is no JSON is refused", async () => {
  const response = await fetch(`${api.address}/auth/login`, { method: "POST", body: "{" });

  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: "BAD_REQUEST" });
});

test("a body without required fields is refused with the name of each", async () => {
  const { status, body } = await ask("POST", "/auth/login", { body: {} });

  expect(status).toBe(422);
  expect(body).toEqual({
    error: "Not valid: login, password.",
    code: "VALIDATION_FAILED",
    details: [
      { parameter: "login", problem: "is required" },
      { parameter: "password", problem: "is required" },
    ],
  });
});

test("a value that is not valid is explained in words", async () => {
  const problemsOf = async (fields: unknown) =>
    (await ask("POST", "/auth/login", { body: fields })).body["details"];

  expect(await problemsOf({ login: 5, password: "" })).toEqual([
    { parameter: "login", problem: "must be text" },
    { parameter: "password", problem: "must not be empty" },
  ]);
  expect(await problemsOf({ login: "ada", password: "x".repeat(1_025) })).toEqual([
    { parameter: "password", problem: "must have at most 1024 characters" },
  ]);
  expect(await problemsOf([])).toEqual([{ parameter: "body", problem: "must be a JSON object" }]);
});

test("a wrong password and an unknown login get the same answer", async () => {
  const wrong = await logIn("ada", "hunter2");
  const unknown = await logIn("nobody", "hunter2");
  await query(fresh.database, "insert into identity (login, role) values ('svc', 'admin')");
  const without = await logIn("svc", "hunter2");

  expect(wrong).toMatchObject({ status: 401, body: { code: "UNAUTHORIZED" } });
  expect(unknown.body).toEqual(wrong.body);
  expect(without.body).toEqual(wrong.body);
});

test("after ten attempts a login is refused everywhere for a while, also with the right password", async () => {
  for (let attempt = 0; attempt < 9; attempt += 1) {
    const headers = { "x-forwarded-for": `203.0.113.${attempt}` };
    expect(await logIn("vic", "wrong", headers)).toMatchObject({ status: 401 });
  }
  expect(await logIn("vic")).toMatchObject({ status: 200 });
  for (let attempt = 0; attempt < 10; attempt += 1) await logIn("vic", "wrong");

  const limited = await logIn("vic");

  expect(limited).toMatchObject({ status: 429, body: { code: "TOO_MANY_REQUESTS" } });
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(800);
  expect(await logIn("ada")).toMatchObject({ status: 200 });
  await query(fresh.database, "update login_attempt set resets_at = now() - interval '1 s'");
  expect(await logIn("vic")).toMatchObject({ status: 200 });
}, 120_000);

test("an address that tries many logins is refused, and its attempts count for no login", async () => {
  const from = (address: string) => ({ "x-forwarded-for": address });
  await logIn("first", "wrong", from("2001:db8:1:2::1"));
  await query(fresh.database, "update login_attempt set attempts = 100 where attempts = 1");
  await query(fresh.database, "delete from login_attempt where attempts < 100");

  expect(await logIn("ada", password, from("2001:db8:1:2:ffff::9"))).toMatchObject({ status: 429 });
  expect(await logIn("ada", password, from("2001:db8:1:3::1"))).toMatchObject({ status: 200 });
});

test("a refresh token gets another session, and is good for nothing else", async () => {
  const { data } = (await logIn("vic")).body;
  const refreshToken = String(data["refresh_token"]);

  const refreshed = await ask("POST", "/auth/refresh", { body: { refresh_token: refreshToken } });

  expect(refreshed).toMatchObject({
    status: 200,
    body: { data: { token_type: "Bearer", expires_in: 3_600, user: { login: "vic" } } },
  });
  expect(await workers(String(refreshed.body.data["access_token"]))).toMatchObject({ status: 200 });
  expect(await workers(refreshToken)).toMatchObject({ status: 401 });
  for (const wrong of [data["access_token"], await sensorToken(), "forged"]) {
    expect(await ask("POST", "/auth/refresh", { body: { refresh_token: wrong } })).toMatchObject({
      status: 401,
    });
  }
});

test("a new password ends all sessions", async () => {
  const { data } = (await logIn("wes")).body;
  await query(fresh.database, "update identity set password_hash = $1 where login = 'wes'", [
    await hashPassword("another one"),
  ]);

  expect(
    await ask("POST", "/auth/refresh", { body: { refresh_token: data["refresh_token"] } }),
  ).toMatchObject({ status: 401 });
  await expect.poll(async () => (await workers(String(data["access_token"]))).status).toBe(401);
  expect(await logIn("wes")).toMatchObject({ status: 401 });
  expect(await logIn("wes", "another one")).toMatchObject({ status: 200 });
});

// Both of clients.md, with `{}` and without a body.
test.each([{ body: {} }, { body: undefined }])("a sensor renews its token with %j", async ({ body }) => {
  const token = await sensorToken();

  const answer = await ask("POST", "/api/v1/auth/refresh", { token, body });
  const internal = await ask("POST", "/auth/internal/sensor-token", { token, body });

  expect(answer.status).toBe(200);
  const { token: renewed, expires_at: expiresAt, data } = answer.body;
  expect(data).toEqual({
    identity_id: expect.any(Number) as number,
    sensor_ref: "p.one",
    token: renewed,
    expires_at: expiresAt,
    trigger_types: ["t.one", "t.two"],
  });
  expect(Date.parse(String(expiresAt))).toBeGreaterThan(Date.now() + 86_000_000);
  expect(internal).toMatchObject({ status: 200, body: { data: { sensor_ref: "p.one" } } });
  const before = await rig.authenticator.authenticate(token);
  for (const each of [renewed, internal.body.data["token"]]) {
    const after = await rig.authenticator.authenticate(String(each));
    expect(after).toEqual({ ...before, jti: after?.jti, expiresAtMs: after?.expiresAtMs });
    expect(after?.jti).not.toBe(before?.jti);
  }
});

test("a sensor gets tokens for itself and fewer triggers, and never for more", async () => {
  const token = await sensorToken();
  const path = "/auth/internal/sensor-token";

  const fewer = await ask("POST", path, { token, body: { sensor_ref: "p.one", trigger_types: ["t.two"] } });

  expect(fewer).toMatchObject({ status: 200, body: { data: { trigger_types: ["t.two"] } } });
  for (const body of [{ sensor_ref: "p.two" }, { trigger_types: ["t.one", "t.three"] }])
    expect(await ask("POST", path, { token, body })).toMatchObject({ status: 403 });
  expect(
    await ask("POST", "/auth/sensor-token", {
      token,
      body: { sensor_ref: "p.one", trigger_types: ["t.one"] },
    }),
  ).toMatchObject({ status: 403 });
});

// Goal: removing or changing a sensor's identity ends its access for good.
// Method: an agent that knows the token is not told of the change.
test.each([
  ["was removed", ["delete from identity where login = $1"], 0],
  [
    "had another role for a while",
    ["viewer", "sensor"].map((role) => `update identity set role = '${role}' where login = $1`),
    1,
  ],
])("a token is not renewed once its identity %s", async (_, statements, count) => {
  await using untold = await openIdentityRig(fresh.database, { isNotified: false });
  await using served = await start(untold);
  const login = "sensor:p.gone";
  const token = await sensorToken("p.gone");
  const { address } = served;
  expect(await ask("POST", "/auth/refresh", { token, address })).toMatchObject({ status: 200 });

  for (const statement of statements) await query(fresh.database, statement, [login]);

  for (const path of ["/auth/refresh", "/auth/internal/sensor-token"])
    expect([path, await ask("POST", path, { token, address })]).toMatchObject([path, { status: 401 }]);
  expect(await query(fresh.database, "select from identity where login = $1", [login])).toHaveLength(count);
});

test.each([
  { path: "/auth/sensor-token", allowed: ["ada"], refused: ["vic", "wes"] },
  { path: "/api/v1/auth/sensor-token", allowed: ["ada"], refused: ["vic"] },
  { path: "/auth/internal/sensor-token", allowed: ["ada", "wes"], refused: ["vic"] },
])("$path makes tokens for $allowed and not for $refused", async ({ path, allowed, refused }) => {
  await query(fresh.database, "update identity set password_hash = $1", [await hashPassword(password)]);
  const body = { sensor_ref: "core.timer", trigger_types: ["core.timer"], ttl_seconds: 60 };

  for (const login of allowed) {
    const { status, body: answer } = await ask("POST", path, { token: await accessToken(login), body });
    expect([status, answer.data]).toEqual([
      200,
      {
        identity_id: expect.any(Number) as number,
        sensor_ref: "core.timer",
        token: expect.any(String) as string,
        expires_at: expect.any(String) as string,
        trigger_types: ["core.timer"],
      },
    ]);
    const caller = await rig.authenticator.authenticate(String(answer.data["token"]));
    expect(caller).toMatchObject({
      role: "sensor",
      grant: { sensorRef: "core.timer", triggerRefs: ["core.timer"], term: null },
    });
    expect(Date.parse(String(answer.data["expires_at"])) - Date.now()).toBeLessThanOrEqual(60_000);
  }
  for (const login of refused)
    expect(await ask("POST", path, { token: await accessToken(login), body })).toMatchObject({ status: 403 });
  expect(await ask("POST", path, { body })).toMatchObject({ status: 401 });
});

test.each([
  { sensor_ref: "p.one", trigger_types: ["t.one"], ttl_seconds: 259_201 },
  { sensor_ref: "p.one", trigger_types: ["t.one"], ttl_seconds: 0 },
  { sensor_ref: "", trigger_types: ["t.one"] },
  { sensor_ref: "p.one", trigger_types: "t.one" },
  { trigger_types: ["t.one"] },
  { sensor_ref: "p.one" },
])("a request for a sensor's token that is not valid is refused: %j", async (body) => {
  const token = await accessToken("ada");

  for (const path of ["/auth/sensor-token", "/auth/internal/sensor-token"]) {
    expect(await ask("POST", path, { token, body })).toMatchObject({
      status: 422,
      body: { code: "VALIDATION_FAILED" },
    });
  }
});

test("a person's access token is not renewed like a sensor's", async () => {
  expect(await ask("POST", "/auth/refresh", { token: await accessToken("ada") })).toMatchObject({
    status: 403,
  });
  expect(await ask("POST", "/auth/refresh")).toMatchObject({ status: 401 });
});

test("admins revoke every token, others only their own, and it takes effect at once", async () => {
  const sensor = await sensorToken();
  const renewed = String((await ask("POST", "/auth/refresh", { token: sensor })).body["token"]);
  const jti = (await rig.authenticator.authenticate(sensor))?.jti ?? "";
  const viewer = await accessToken("vic");
  const own = (await rig.authenticator.authenticate(viewer))?.jti ?? "";

  expect(await ask("DELETE", `/auth/token/${jti}`, { token: viewer })).toMatchObject({ status: 403 });
  expect(await ask("DELETE", `/auth/token/${own}`, { token: viewer })).toMatchObject({ status: 204 });
  expect(await ask("DELETE", `/api/v1/auth/token/${jti}`, { token: await accessToken("ada") })).toMatchObject(
    {
      status: 204,
    },
  );

  for (const ended of [sensor, renewed, viewer])
    await expect.poll(() => rig.authenticator.authenticate(ended), { timeout: 20_000 }).toBeUndefined();
  expect(await ask("POST", "/auth/refresh", { token: sensor })).toMatchObject({ status: 401 });
});
