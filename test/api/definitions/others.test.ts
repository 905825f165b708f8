/** Packs, runtimes, actions and sensors over HTTP: what is particular to each. */
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEmbedded } from "../../../src/database/embedded/embedded.ts";
import { loadMigrations } from "../../../src/database/migrations/bundled-migrations.ts";
import { migrate } from "../../../src/database/migrations/migrate.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { apiOn, definitionsApi, givePack, rule } from "../../support/definitions-api.ts";

const sensor = {
  ref: "p.sensor",
  pack_ref: "p",
  runtime_ref: "python",
  entrypoint: "s.py",
  protocol: "poll",
  trigger_ref: "p.one",
};

test("a pack has the keys that clients need, and goes with its definitions", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;

  const created = await demand(201, "POST", "/packs", {
    ref: "q",
    label: "Q",
    version: "1.2.0",
    tags: ["a", "b"],
    conf_schema: { type: "object" },
    runtime_deps: ["python3"],
    is_standard: true,
  });
  expect(created.data).toMatchObject({
    ref: "q",
    label: "Q",
    description: null,
    version: "1.2.0",
    is_standard: true,
    conf_schema: { type: "object" },
    config: {},
    meta: {},
    tags: ["a", "b"],
    runtime_deps: ["python3"],
    dependencies: [],
  });
  expect((await demand(200, "PATCH", "/packs/q", { version: "1.3.0" })).data).toMatchObject({
    version: "1.3.0",
    tags: ["a", "b"],
  });
  const listed = await demand(200, "GET", "/packs?is_standard=true");
  expect(listed.body["items"]).toMatchObject([{ ref: "core" }, { ref: "q" }]);
  await demand(422, "POST", "/packs", { ref: "with.dots" });

  await demand(201, "POST", "/rules", { ...rule, ref: "adhoc", pack_ref: null });
  const refused = await demand(409, "DELETE", "/packs/p");
  expect(refused.body["error"]).toBe("The pack p is in use by rule adhoc.");
  await demand(200, "DELETE", "/rules/adhoc");
  await demand(201, "POST", "/rules", rule);
  await demand(200, "DELETE", "/packs/p");
  for (const path of ["/rules/p.rule", "/triggers/p.one", "/actions/p.act"]) await demand(404, "GET", path);
});

test("a runtime must be one that can be verified, and is kept while a sensor needs it", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;
  const runtime = { ref: "p.ruby", name: "Ruby", pack_ref: "p" };
  const commands = [{ binary: "ruby", args: ["--version"] }];

  const refused = await demand(422, "POST", "/runtimes", runtime);
  expect(JSON.stringify(refused.body["details"])).toContain("verification");
  const distributions = { verification: { commands } };
  const created = await demand(201, "POST", "/runtimes", { ...runtime, distributions });
  expect(created.data).toMatchObject({ distributions, installation: null, execution_config: {} });
  await demand(422, "PATCH", "/runtimes/p.ruby", { distributions: {} });
  await demand(200, "PATCH", "/runtimes/p.ruby", { installation: { hint: "apt install ruby" } });
  expect((await demand(200, "PATCH", "/runtimes/p.ruby", { installation: null })).data).toMatchObject({
    installation: null,
    distributions,
  });
  await demand(201, "POST", "/sensors", { ...sensor, runtime_ref: "p.ruby" });
  await demand(409, "DELETE", "/runtimes/p.ruby");
  await demand(200, "DELETE", "/sensors/p.sensor");
  await demand(200, "DELETE", "/runtimes/p.ruby");
});

test("an action is stored with its inline program, and may name its runtime by id or by any ref", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;
  const python = (await demand(200, "GET", "/runtimes/core.sensor.python")).data;

  const created = await demand(201, "POST", "/actions", {
    ref: "p.inline",
    pack_ref: "p",
    label: "Inline",
    entrypoint: "echo hello\n",
    runtime: python["id"] ?? null,
    param_schema: { type: "object" },
  });
  expect(created.data).toMatchObject({
    entrypoint: "echo hello\n",
    runtime: python["id"],
    runtime_ref: "core.sensor.python",
    is_adhoc: true,
  });
  expect(
    (await demand(200, "PATCH", "/actions/p.inline", { runtime_ref: "core.action.shell" })).data,
  ).toMatchObject({
    runtime: null,
    runtime_ref: "core.action.shell",
    entrypoint: "echo hello\n",
  });
  await demand(422, "POST", "/actions", { ref: "p.unknown", runtime: 4711 });
  await demand(201, "POST", "/rules", { ...rule, action_ref: "p.inline" });
  expect((await demand(409, "DELETE", "/actions/p.inline")).body["error"]).toBe(
    "The action p.inline is in use by rule p.rule.",
  );
});

test("a sensor belongs to a pack, serves existing triggers, and its change of triggers changes its version", async () => {
  await using api = await definitionsApi();
  await givePack(api);
  const { demand } = api;

  for (const [change, parameter] of [
    [{ pack_ref: null }, "pack_ref"],
    [{ entrypoint: "" }, "entrypoint"],
    [{ entrypoint: "../s.py" }, "entrypoint"],
    [{ runtime_ref: "cobol" }, "runtime_ref"],
    [{ trigger_ref: "p.none" }, "trigger_ref"],
    [{ poll_interval: 0 }, "poll_interval"],
    [{ runtime_version_constraint: "new" }, "runtime_version_constraint"],
    [{ protocol: "pigeon" }, "protocol"],
  ] as const) {
    const refused = await demand(422, "POST", "/sensors", { ...sensor, ...change });
    const details = refused.body["details"] as { parameter: string }[];
    expect(details.map((detail) => detail.parameter.split(".")[0])).toEqual([parameter]);
  }
  const created = await demand(201, "POST", "/sensors", { ...sensor, poll_interval: 2.5, config: { a: 1 } });
  expect(created.data).toMatchObject({
    runtime_ref: "core.sensor.python",
    trigger_refs: ["p.one"],
    poll_interval: 2.5,
    timeout: null,
    config: { a: 1 },
    enabled: true,
    is_adhoc: true,
    state: "stopped",
    process: null,
  });
  const widened = await demand(200, "PATCH", "/sensors/p.sensor", { trigger_refs: ["p.one", "p.two"] });
  expect(widened.data["trigger_refs"]).toEqual(["p.one", "p.two"]);
  expect(widened.headers.get("etag")).not.toBe(created.headers.get("etag"));
  const same = await demand(200, "PUT", "/sensors/p.sensor", widened.data);
  expect(same.data).toEqual(widened.data);
  const cleared = await demand(200, "PATCH", "/sensors/p.sensor", { poll_interval: null, label: "S" });
  expect(cleared.data).toMatchObject({ poll_interval: null, label: "S", trigger_refs: ["p.one", "p.two"] });
  expect((await demand(200, "POST", "/sensors/p.sensor/disable")).data).toMatchObject({ enabled: false });

  const seen = await api.call("GET", "/sensors/p.sensor", { token: "viewer" });
  expect([seen.status, Object.hasOwn(seen.data, "config")]).toEqual([200, false]);
  await demand(200, "DELETE", "/sensors/p.sensor");
});

test("the embedded database takes the same changes", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-embedded-"));
  await using database = await openEmbedded({ dataDirectory: directory.path, logger: silentLogger });
  await migrate(database, loadMigrations(), silentLogger);
  await using api = await apiOn(database);
  await givePack(api);
  const { demand } = api;

  const { headers } = await demand(201, "POST", "/rules", { ...rule, trigger_params: { n: 1 } });
  const change = (label: string) =>
    api.call("PATCH", "/rules/p.rule", {
      body: { label },
      headers: { "if-match": headers.get("etag") ?? "" },
    });
  const both = await Promise.all([change("one"), change("two")]);
  expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 412]));
  await demand(201, "POST", "/sensors", { ...sensor, trigger_refs: ["p.one", "p.two"] });
  expect((await demand(409, "DELETE", "/triggers/p.two")).body["error"]).toContain("sensor p.sensor");
  await demand(200, "POST", "/triggers/p.one/webhooks/enable");
  expect((await demand(200, "GET", "/triggers/p.one/rules")).body["data"]).toHaveLength(1);
  await demand(200, "DELETE", "/packs/p");
}, 120_000);
