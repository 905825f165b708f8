/** The key store over HTTP, on a real PostgreSQL. */
import { mkdtempDisposable, readFile, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Value } from "typebox/value";
import { expect, onTestFinished, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { KeyAnswer, KeyListParameters } from "../../src/api/routes/keys.ts";
import { startApi } from "../../src/api/server.ts";
import type { Database } from "../../src/database/database.ts";
import { keyOrders } from "../../src/database/statements/keys.ts";
import { KeyCipher } from "../../src/keys/key-cipher.ts";
import { KeyStore } from "../../src/keys/key-store.ts";
import { ownEncryptionKey } from "../../src/keys/own-encryption-key.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { recordingLogger } from "../support/recording-logger.ts";

const anyone = { identityId: "1", login: "x", jti: null, expiresAtMs: Number.POSITIVE_INFINITY };
const sensor = (sensorRef: string): Caller => ({
  ...anyone,
  role: "sensor",
  grant: { sensorRef, triggerRefs: [], term: null },
});
const callers: Readonly<Record<string, Caller>> = {
  admin: { ...anyone, role: "admin" },
  viewer: { ...anyone, role: "viewer" },
  worker: { ...anyone, role: "worker" },
  issues: sensor("jira.issues"),
  boards: sensor("jira.boards"),
  leads: sensor("salesforce.leads"),
};

interface Answer {
  readonly status: number;
  readonly text: string;
  readonly body: { readonly data: Record<string, unknown>; readonly items: Record<string, unknown>[] };
}

async function serve(encryptionKey: string | undefined = "an-encryption-key-of-at-least-32-bytes") {
  const fresh = await freshDatabase();
  onTestFinished(() => fresh[Symbol.asyncDispose]());
  const { database } = fresh;
  await query(
    database,
    "insert into pack (ref, label, version) values ('jira', 'Jira', '1'), ('salesforce', 'S', '1')",
  );
  await insertTrigger(database, "t.one");
  for (const ref of ["jira.issues", "jira.boards", "salesforce.leads"]) {
    await insertSensor(database, { ref, triggerRef: "t.one" });
  }
  const cipher = encryptionKey === "" ? undefined : new KeyCipher(encryptionKey, undefined);
  const store = new KeyStore(database, (work) => work(database), cipher);
  const { logger, lines } = recordingLogger();
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1", workerName: "w", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger,
    platform: {
      resources: databaseResources(database),
      authenticate: async (token) => callers[token],
      keys: {
        list: (order, request) => store.list(order, request),
        read: (scope, ref) => store.read(scope, ref),
        create: (scope, key) => store.create(scope, key),
        change: (scope, ref, update) => store.change(scope, ref, update),
        delete: (scope, ref) => store.delete(scope, ref),
      },
    },
  });
  onTestFinished(() => api[Symbol.asyncDispose]());
  const ask = async (
    caller: keyof typeof callers,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<Answer> => {
    const response = await fetch(`${api.address}/api/v1/keys${path}`, {
      method,
      headers: { authorization: `Bearer ${caller}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, text, body: text === "" ? {} : JSON.parse(text) };
  };
  return { database, ask, lines };
}

/** All rows of all tables, as text. */
async function everythingIn(database: Database): Promise<string> {
  const tables = await query<{ name: string }>(
    database,
    "select quote_ident(table_name) as name from information_schema.tables where table_schema = 'attune'",
  );
  const rows = await Promise.all(
    tables.map(({ name }) =>
      query<{ row: string }>(database, `select x::text as row from attune.${name} as x`),
    ),
  );
  return rows
    .flat()
    .map(({ row }) => row)
    .join("\n");
}

test("a pack creates, reads and changes its value with its sensor's token, as clients do", async () => {
  const { ask } = await serve();
  const created = {
    ref: "jira.state",
    owner_type: "pack",
    owner_pack_ref: "jira",
    name: "State",
    value: '{"cursor": 1}',
    encrypted: true,
  };

  expect((await ask("issues", "GET", "/jira.state?decrypt=true")).status).toBe(404);
  expect((await ask("issues", "PUT", "/jira.state", { value: "x" })).status).toBe(404);
  const post = await ask("issues", "POST", "", created);
  expect(post.status).toBe(201);
  expect((await ask("issues", "POST", "", created)).status).toBe(409);
  const put = await ask("boards", "PUT", "/jira.state", { value: "12", encrypted: false });
  expect(put.status).toBe(200);
  const get = await ask("issues", "GET", "/jira.state?decrypt=true");

  expect(Value.Errors(KeyAnswer, get.body.data)).toEqual([]);
  expect(get.body.data).toMatchObject({
    id: expect.any(Number),
    ref: "jira.state",
    local_ref: "state",
    name: "State",
    owner_type: "pack",
    owner_ref: "jira",
    encrypted: false,
    value: "12",
  });
  expect((await ask("issues", "GET", "/jira.state?decrypt=false")).body.data["value"]).toBeNull();
  expect((await ask("issues", "DELETE", "/jira.state")).status).toBe(204);
  expect((await ask("admin", "GET", "/jira.state")).status).toBe(404);
});

test("a value keeps every digit and character", async () => {
  const { ask } = await serve();
  const text = '{"n":12345678901234567890.10,"deep":[null,"\\u0000","é"],"a":1e999}';

  await ask("issues", "POST", "", `{"local_ref": "exact", "value": ${text}}`);

  const { body, text: answer } = await ask("issues", "GET", "/jira.issues.exact");
  expect(body.data).toMatchObject({ ref: "jira.issues.exact", local_ref: "exact", owner_type: "sensor" });
  expect(answer).toContain(`"value":${text}`);
});

// Goal: no sensor gets hold of a secret that a webhook of others expects, and so could sign its requests.
test("a sensor creates no key that a webhook outside its pack names", async () => {
  const { ask, database } = await serve();
  const hook = `insert into rule (ref, pack_ref, action_ref, trigger, trigger_ref, trigger_params)
                select $1, $2, 'jira.act', id, ref, $3 from trigger where ref = 'core.webhook'`;
  await query(database, hook, [
    "jira.hook",
    "jira",
    { path: "jira", preset: "github", secret: ["jira.secret"] },
  ]);
  await query(database, hook, ["own.hook", null, { path: "own", bearer: "own.token" }]);
  await query(database, `update trigger set webhook_config = '{"secret": "t.secret"}' where ref = 't.one'`);
  const create = async (caller: string, ref: string): Promise<number> =>
    (await ask(caller, "POST", "", { ref, value: "known to me" })).status;

  for (const ref of ["jira.secret", "own.token", "t.secret"]) expect(await create("leads", ref)).toBe(403);
  expect(await create("issues", "own.token")).toBe(403);

  expect(await create("issues", "jira.secret")).toBe(201);
  expect(await create("admin", "own.token")).toBe(201);
  expect(await create("leads", "elsewhere.secret")).toBe(201);
});

// Goal: no sensor learns a secret by creating its key before the webhook that names it.
test("an admin writes no secret of a webhook into a key that a sensor outside its pack created", async () => {
  const { ask, database } = await serve();
  for (const ref of ["hook.one", "hook.two"])
    expect((await ask("leads", "POST", "", { ref, value: "mine" })).status).toBe(201);
  const given = { ref: "hook.given", owner_type: "pack", owner_pack_ref: "salesforce", value: "of an admin" };
  expect((await ask("admin", "POST", "", given)).status).toBe(201);
  await query(
    database,
    `insert into rule (ref, pack_ref, action_ref, trigger, trigger_ref, trigger_params)
     select 'ours.' || path, nullif(of_pack, ''), 'jira.act', trigger.id, trigger.ref,
            jsonb_build_object('path', path, 'bearer', 'hook.' || path)
       from trigger, (values ('one', ''), ('two', 'salesforce'), ('given', '')) as hook (path, of_pack)
      where trigger.ref = 'core.webhook'`,
  );

  const refused = await ask("admin", "PUT", "/hook.one", { value: "a secret" });

  expect(refused.status).toBe(409);
  expect(refused.text).toMatch(/salesforce\.leads, which could read .* ours\.one needs/);
  expect((await ask("leads", "GET", "/hook.one")).body.data["value"]).toBe("mine");
  expect((await ask("admin", "PUT", "/hook.two", { value: "a secret" })).status).toBe(200);
  expect((await ask("admin", "PUT", "/hook.given", { value: "a secret" })).status).toBe(200);
  expect((await ask("leads", "PUT", "/hook.one", { value: "mine still" })).status).toBe(200);
  expect((await ask("admin", "DELETE", "/hook.one")).status).toBe(204);
  expect((await ask("admin", "POST", "", { ref: "hook.one", value: "a secret" })).status).toBe(201);
  expect((await ask("leads", "GET", "/hook.one")).status).toBe(404);
});

test("a sensor reaches its own keys and its pack's, and learns nothing of others", async () => {
  const { ask } = await serve();
  const own = { local_ref: "own", value: "of issues" };
  const ofPack = { local_ref: "shared", owner_type: "pack", owner_pack_ref: "jira", value: "of jira" };
  expect((await ask("issues", "POST", "", own)).status).toBe(201);
  expect((await ask("boards", "POST", "", ofPack)).status).toBe(201);
  expect((await ask("admin", "POST", "", { ref: "platform", value: "of all" })).status).toBe(201);

  const visible = async (caller: string): Promise<unknown[]> =>
    (await ask(caller, "GET", "?sort=ref")).body.items.map(({ ref }) => ref);
  expect(await visible("admin")).toEqual(["jira.issues.own", "jira.shared", "platform"]);
  expect(await visible("issues")).toEqual(["jira.issues.own", "jira.shared"]);
  expect(await visible("boards")).toEqual(["jira.shared"]);
  expect(await visible("leads")).toEqual([]);

  for (const [caller, ref] of [
    ["boards", "jira.issues.own"],
    ["leads", "jira.issues.own"],
    ["leads", "jira.shared"],
    ["issues", "platform"],
  ] as const) {
    expect((await ask(caller, "GET", `/${ref}`)).status).toBe(404);
    expect((await ask(caller, "PUT", `/${ref}`, { value: "taken" })).status).toBe(404);
    expect((await ask(caller, "DELETE", `/${ref}`)).status).toBe(404);
  }
  for (const body of [
    { ref: "a", owner_type: "sensor", owner_sensor_ref: "jira.issues", value: 1 },
    { ref: "a", owner_type: "pack", owner_pack_ref: "jira", value: 1 },
    { ref: "a", owner_type: "system", value: 1 },
  ]) {
    expect((await ask("leads", "POST", "", body)).status).toBe(403);
  }
  for (const caller of ["viewer", "worker"]) {
    for (const [method, path] of [
      ["GET", ""],
      ["GET", "/platform"],
      ["DELETE", "/platform"],
    ] as const) {
      expect((await ask(caller, method, path)).status).toBe(403);
    }
  }
  expect((await ask("admin", "GET", "/jira.issues.own")).body.data["value"]).toBe("of issues");
});

test("no value is in the log, in a table, in a list or in an answer to anything that fails", async () => {
  const { ask, database, lines } = await serve();
  const secret = "plain-S3CRET-value";
  expect((await ask("issues", "POST", "", { local_ref: "a", value: secret })).status).toBe(201);
  expect((await ask("issues", "PUT", "/jira.issues.a", { value: [secret] })).status).toBe(200);
  // One that decrypts no more.
  await ask("issues", "POST", "", { local_ref: "b", value: secret });
  await query(
    database,
    "update key set value = set_byte(value, 20, get_byte(value, 20) # 1) where local_ref = 'b'",
  );

  const answers = [
    await ask("admin", "GET", "?page_size=100"),
    await ask("issues", "GET", "/jira.issues.b"),
    await ask("issues", "POST", "", { local_ref: "a", value: secret }),
    await ask("leads", "PUT", "/jira.issues.a", { value: secret }),
    await ask("issues", "POST", "", { local_ref: "a\0", value: secret }),
    await ask("issues", "POST", "", { value: secret, owner_type: secret }),
    await ask("issues", "POST", "", `{"local_ref": "c", "value": "${secret}`),
    await ask("issues", "POST", "", { local_ref: "big", value: secret + "x".repeat(300_000) }),
    await ask("viewer", "GET", "/jira.issues.a"),
  ];
  await query(database, "alter table key rename to key_away");
  answers.push(await ask("issues", "POST", "", { local_ref: "d", value: secret }));
  await query(database, "alter table key_away rename to key");
  // The server's detail quotes the whole row.
  await query(database, "alter table key add check (local_ref <> 'd')");
  answers.push(await ask("issues", "POST", "", { local_ref: "d", value: secret }));

  expect(answers.map(({ status }) => status)).toEqual([
    200, 503, 409, 404, 422, 422, 400, 413, 403, 503, 500,
  ]);
  for (const { text } of answers) expect(text).not.toContain(secret);
  expect(JSON.stringify(lines)).not.toContain(secret);
  const rows = await everythingIn(database);
  expect(rows).toContain("jira.issues.a");
  for (const form of [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret).toString("base64")]) {
    expect(rows).not.toContain(form);
  }
});

test("bodies that say too little or nonsense are refused with what is wrong", async () => {
  const { ask } = await serve();

  for (const [body, parameter] of [
    [{ value: 1 }, "ref"],
    [{ ref: "a" }, "value"],
    [{ ref: "a", value: 1, owner_type: "nobody" }, "owner_type"],
    [{ ref: "a", value: 1, owner_type: "pack" }, "owner_pack_ref"],
    [{ ref: "a", value: 1, owner_type: "pack", owner_pack_ref: "none" }, "owner_pack_ref"],
    [{ ref: "a", value: 1, owner_type: "sensor" }, "owner_sensor_ref"],
  ] as const) {
    const { status, text } = await ask("admin", "POST", "", body);
    expect([status, text]).toEqual([422, expect.stringContaining(parameter)]);
  }
});

test("an owner has at most 1,000 keys", async () => {
  const { ask, database } = await serve();
  await query(
    database,
    `insert into key (ref, local_ref, owner_type, owner_sensor, owner_sensor_ref, value, encryption_key)
     select 'k' || n, 'k', 'sensor', sensor.id, sensor.ref, '\\x00', 'none'
       from generate_series(1, 1000) as n, sensor where sensor.ref = 'jira.issues'`,
  );

  expect((await ask("issues", "POST", "", { local_ref: "more", value: 1 })).status).toBe(409);
  expect((await ask("boards", "POST", "", { local_ref: "more", value: 1 })).status).toBe(201);
});

test("without an encryption key every request is told which setting is missing", async () => {
  const { ask } = await serve("");

  for (const [method, path, body] of [
    ["GET", "", undefined],
    ["GET", "/a", undefined],
    ["POST", "", { ref: "a", value: 1 }],
    ["PUT", "/a", { value: 1 }],
  ] as const) {
    const { status, text } = await ask("admin", method, path, body);
    expect(status).toBe(503);
    expect(JSON.parse(text)).toEqual({
      error: expect.stringContaining("security.encryption_key"),
      code: "ENCRYPTION_KEY_MISSING",
    });
  }
});

test("an embedded installation makes one key of its own, which only its user can read", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-key-"));

  const made = await Promise.all([1, 2, 3].map(() => ownEncryptionKey(join(directory.path, "data"))));

  expect(new Set(made).size).toBe(1);
  expect(made[0]).toMatch(/^[0-9a-f]{64}$/);
  const file = join(directory.path, "data/encryption-key");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  await writeFile(file, "kept\n");
  expect(await ownEncryptionKey(join(directory.path, "data"))).toBe("kept");
});

test("docs/keys.md lists the keys of an answer, the filters and the keys to sort by", async () => {
  const page = await readFile(join(repositoryRoot, "docs/keys.md"), "utf8");
  const listed = (column: string): string[] => {
    const [, table = ""] = new RegExp(String.raw`\n\| ${column} +\|.*\n((?:\|.*\n)+)`).exec(page) ?? [];
    return table
      .split("\n")
      .flatMap((row) => [...(row.split("|")[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name = ""]) => name))
      .toSorted();
  };

  expect(listed("key")).toEqual(Object.keys(KeyAnswer.properties).toSorted());
  const filters = Object.keys(KeyListParameters.properties).filter((name) => name.startsWith("owner"));
  expect(listed("filter")).toEqual(filters.toSorted());
  const orders = keyOrders.filter((order) => !order.startsWith("-")).map((order) => `\`${order}\``);
  expect(page).toContain(`Sort keys: ${orders.join(", ")}.`);
});
