/** `/auth/session`, the page's login, with a real PostgreSQL behind it. */
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startApi, type Api } from "../../src/api/server.ts";
import { forgeryToken } from "../../src/api/session-cookies.ts";
import { rowOf } from "../../src/database/statement.ts";
import { readIdentity } from "../../src/database/statements/identities.ts";
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
let developersApi: Api;

beforeAll(async () => {
  fresh = scope.use(await freshDatabase());
  rig = scope.use(await openIdentityRig(fresh.database));
  api = scope.use(await start({ isDevelopment: false }));
  developersApi = scope.use(await start({ isDevelopment: true }));
  await query(
    fresh.database,
    "insert into identity (login, role, password_hash) values ('ada', 'admin', $1)",
    [await hashPassword(password)],
  );
});

beforeEach(() => query(fresh.database, "delete from login_attempt"));

afterAll(() => scope.disposeAsync());

async function start(setting: { readonly isDevelopment: boolean }): Promise<Api> {
  return await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    platform: {
      authenticate: (token) => rig.authenticator.authenticate(token),
      auth: authPorts(fresh.database, rig, setting),
      resources: databaseResources(fresh.database),
    },
    trustedProxies: ["127.0.0.1"],
    logger: silentLogger,
  });
}

interface Answer {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly data: {
    readonly user: { login: string } | null;
    readonly csrf_token: string | null;
    readonly password_needed: boolean;
  };
}

/** Not with fetch, which does not let a caller name another host. */
async function ask(
  method: string,
  { body, headers = {}, of = api }: { body?: object; headers?: Record<string, string>; of?: Api } = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const sent = request(
    `${of.address}/api/v1/auth/session`,
    {
      method,
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    },
    (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => {
        const parsed = (text === "" ? {} : JSON.parse(text)) as { data?: Answer["data"] };
        resolve({
          status: response.statusCode ?? 0,
          cookies: response.headers["set-cookie"] ?? [],
          data: parsed.data ?? { user: null, csrf_token: null, password_needed: true },
        });
      });
    },
  );
  sent.once("error", reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** What a browser would send back. */
function cookieOf({ cookies }: Answer): string {
  return cookies.map((cookie) => cookie.split(";")[0]).join("; ");
}

const login = { login: "ada", password };

test("a login sets cookies that no script and no other site gets, and they open the API", async () => {
  const opened = await ask("POST", { body: login });
  const seen = await ask("GET", { headers: { cookie: cookieOf(opened) } });
  const sensors = await fetch(`${api.address}/api/v1/sensors`, { headers: { cookie: cookieOf(opened) } });

  expect(opened.status).toBe(200);
  for (const cookie of opened.cookies) expect(cookie).toMatch(/HttpOnly; SameSite=Strict/);
  expect(JSON.stringify(opened.data)).not.toContain("eyJ");
  expect(seen.data.user?.login).toBe("ada");
  expect(sensors.status).toBe(200);
});

test("behind a proxy with TLS the cookies are for TLS only", async () => {
  const opened = await ask("POST", { body: login, headers: { "x-forwarded-proto": "https" } });

  expect(opened.cookies.map((cookie) => cookie.split("=")[0])).toEqual([
    "__Host-attune_session",
    "__Secure-attune_refresh",
  ]);
  for (const cookie of opened.cookies) expect(cookie).toContain("; Secure");
});

test("a refresh token alone gets new cookies", async () => {
  const opened = await ask("POST", { body: login });
  const refresh =
    cookieOf(opened)
      .split("; ")
      .find((each) => each.startsWith("attune_refresh=")) ?? "";

  const renewed = await ask("GET", { headers: { cookie: refresh } });

  expect(renewed.data.user?.login).toBe("ada");
  expect(renewed.cookies).toHaveLength(2);
});

test("logging out ends the session everywhere, and only the page can do it", async () => {
  const opened = await ask("POST", { body: login });
  const cookie = cookieOf(opened);
  const forged = await ask("DELETE", { headers: { cookie } });
  const done = await ask("DELETE", { headers: { cookie, "x-csrf-token": opened.data.csrf_token ?? "" } });

  expect([forged.status, done.status]).toEqual([403, 204]);
  // The rig's API hears of revocations as any other agent does, by a notification.
  await expect.poll(async () => (await ask("GET", { headers: { cookie } })).data.user).toBeNull();
});

// A page that was left alone for longer than its access token is valid.
test("logging out ends the session also after its access token has expired", async () => {
  const opened = await ask("POST", { body: login });
  const [access = "", refresh = ""] = cookieOf(opened).split("; ");
  const decoded = await rig.authenticator.decode(access.replace("attune_session=", ""));
  const identity = await rowOf(fresh.database, readIdentity, "ada");
  if (identity === undefined) throw new Error("there is no such identity");
  const terms = { use: "access", identity, family: decoded?.family ?? undefined } as const;
  const expired = await rig.mint.mint({ ...terms, lifetimeSeconds: -60 });
  const cookie = `attune_session=${expired.token}; ${refresh}`;

  const done = await ask("DELETE", { headers: { cookie, "x-csrf-token": forgeryToken(expired.token) } });

  expect(done.status).toBe(204);
  await expect.poll(async () => (await ask("GET", { headers: { cookie: refresh } })).data.user).toBeNull();
});

test("attempts are counted with those of the API, and other sites cannot log anybody in", async () => {
  const foreign = await ask("POST", { body: login, headers: { origin: "http://evil.example" } });
  const first = await ask("POST", { body: { login: "ada", password: "wrong" } });
  await query(fresh.database, "update login_attempt set attempts = 10");
  const eleventh = await ask("POST", { body: login });

  expect([foreign.status, first.status, eleventh.status]).toEqual([403, 401, 429]);
});

test("only a development machine opens the page without a login, and only to itself", async () => {
  const body = {};
  const own = await ask("POST", { body, of: developersApi });
  const others = await Promise.all([
    ask("POST", { body }),
    ask("POST", { body, of: developersApi, headers: { "x-forwarded-for": "127.0.0.1" } }),
    // A foreign name that resolves to loopback.
    ask("POST", { body, of: developersApi, headers: { host: "evil.example" } }),
    ask("POST", { body, of: developersApi, headers: { origin: "http://evil.example" } }),
  ]);

  expect(own).toMatchObject({ status: 200, data: { user: { login: "developer" }, password_needed: false } });
  expect(others.map(({ status }) => status)).toEqual([401, 401, 401, 403]);
});
