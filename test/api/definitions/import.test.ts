/** `POST /packs/import`: what `packs load` reads from folders, over HTTP. */
import { expect, test } from "vitest";
import { importBody } from "../../../src/packs/import-packs.ts";
import { loadPacks } from "../../../src/packs/load-packs.ts";
import { readPacks } from "../../../src/packs/read-packs.ts";
import { apiOn, definitionsApi } from "../../support/definitions-api.ts";
import { demoPack, packFolder } from "../../support/pack-folder.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { runCommand } from "../../support/run-command.ts";

test("an import reports and stores what loading the folder would, and importing again changes nothing", async () => {
  await using api = await definitionsApi();
  await using folder = await packFolder(demoPack);
  const { packs } = await readPacks([folder.directory]);

  const first = await api.demand(200, "POST", "/packs/import", importBody(packs));
  expect(first.data["changes"]).toEqual(
    expect.arrayContaining([
      { kind: "pack", ref: "demo", change: "created" },
      { kind: "sensor", ref: "demo.clock", change: "created" },
      { kind: "rule", ref: "demo.noted", change: "created" },
    ]),
  );
  expect(first.data["changes"]).toHaveLength(7);
  const sensor = await api.demand(200, "GET", "/sensors/demo.clock");
  expect(sensor.data).toMatchObject({
    is_adhoc: false,
    pack_ref: "demo",
    runtime_ref: "demo.ruby",
    trigger_refs: ["demo.tick", "demo.tock"],
  });

  const second = await api.demand(200, "POST", "/packs/import", importBody(packs));
  expect(second.data).toMatchObject({ changes: [], unchanged: { length: 7 } });
  // Loaded from the folder it is the same, too: no column differs.
  expect((await loadPacks(api.database, packs)).changes).toEqual([]);
  expect((await api.demand(200, "GET", "/sensors/demo.clock")).data).toEqual(sensor.data);
});

// Goal: imports that wait for each other hold little memory.
// Method: somebody else holds the lock on the packs' table, so that none of ten is done.
test("a few imports wait for each other, and more are refused at once", async () => {
  await using api = await definitionsApi();
  await using folder = await packFolder(demoPack);
  const body = importBody((await readPacks([folder.directory])).packs);
  await api.database.transaction(async (rows) => {
    await rows.query({ text: "lock table pack in access exclusive mode" });
    const calls = Array.from({ length: 10 }, () => api.call("POST", "/packs/import", { body }));
    const answers: string[] = [];
    for (const call of calls)
      void call.then((answer) => answers.push(`${answer.status} ${JSON.stringify(answer.body)}`));
    await expect
      .poll(() =>
        answers.filter((answer) => answer.startsWith("503") && answer.includes("4 imports are under way")),
      )
      .toHaveLength(6);
  });

  await expect.poll(async () => (await api.call("POST", "/packs/import", { body })).status).toBe(200);
});

test("what vanished is removed, an operator's choice stays, and an ad-hoc definition becomes the pack's", async () => {
  await using api = await definitionsApi();
  await using folder = await packFolder(demoPack);
  await api.demand(201, "POST", "/triggers", { ref: "demo.tick", label: "Made by hand" });
  await api.demand(200, "POST", "/packs/import", importBody((await readPacks([folder.directory])).packs));
  expect((await api.demand(200, "GET", "/triggers/demo.tick")).data).toMatchObject({
    is_adhoc: false,
    pack_ref: "demo",
    label: "demo.tick",
  });
  await api.demand(200, "POST", "/rules/demo.noted/disable");
  await folder.write("sensors/clock.yaml", null);

  const report = await api.demand(
    200,
    "POST",
    "/packs/import",
    importBody((await readPacks([folder.directory])).packs),
  );

  expect(report.data["changes"]).toEqual([
    { kind: "pack", ref: "demo", change: "updated" },
    { kind: "sensor", ref: "demo.clock", change: "removed" },
  ]);
  expect((await api.demand(200, "GET", "/rules/demo.noted")).data).toMatchObject({ enabled: false });
});

test("all problems of an import are named by place, and nothing is loaded", async () => {
  await using api = await definitionsApi();
  const rule = { ref: "r", trigger: "t", action: "core.gone" };

  const refused = await api.demand(422, "POST", "/packs/import", {
    packs: [
      {
        fields: { ref: "good" },
        definitions: [
          { kind: "trigger", fields: { ref: "t" } },
          { kind: "rule", fields: { ...rule, conditions: [{ field: "x", operator: "near" }] } },
          { kind: "rule", fields: { ...rule, ref: "other.r" } },
          { kind: "workflow", fields: {} },
          { kind: "trigger", fields: { ref: "t", label: "twice" } },
          { kind: "trigger", fields: { ref: "nul", label: "\u0000" } },
        ],
      },
      { fields: { ref: "bad.ref" } },
      "nothing",
    ],
  });

  const details = refused.body["details"] as { parameter: string }[];
  expect(details.map(({ parameter }) => parameter)).toEqual([
    "packs.0.definitions.3.kind",
    "packs.0.definitions.1.fields.conditions.0.operator",
    "packs.0.definitions.2.fields.ref",
    "packs.0.definitions.4.fields.ref",
    "packs.0.definitions.5.fields",
    "packs.1.fields.ref",
    "packs.2.fields",
  ]);
  const missing = await api.demand(422, "POST", "/packs/import", {
    packs: [
      {
        fields: { ref: "good" },
        definitions: [
          { kind: "trigger", fields: { ref: "t" } },
          { kind: "rule", fields: rule },
        ],
      },
    ],
  });
  expect(missing.body["details"]).toMatchObject([{ parameter: "packs.0.definitions.1.fields.action" }]);
  for (const body of [{}, { packs: [] }, { packs: {} }, []])
    await api.demand(422, "POST", "/packs/import", body);
  await api.demand(404, "GET", "/packs/good");
  expect((await api.call("POST", "/packs/import", { token: "viewer", body: {} })).status).toBe(403);
});

test("packs load names the same files and lines through the API as without it", async () => {
  await using fresh = await freshDatabase();
  await using api = await apiOn(fresh.database);
  await using folder = await packFolder({
    ...demoPack,
    "rules/hooked.yaml":
      "ref: hooked\ntrigger: core.webhook\naction: note\ntrigger_params:\n  # Where it listens.\n  path: in/a\n  max_bytes: 1000\n",
    "rules/hooked-too.yaml":
      "ref: hooked_too\ntrigger: core.webhook\naction: note\ntrigger_params:\n  path: in/a\n  max_bytes: 2000\n",
    "rules/lost.yaml": "ref: lost\n# Written wrong.\ntrigger_ref: tik\naction: note\n",
  });

  const load = ["packs", "load", folder.directory];
  const [direct, throughApi] = await Promise.all([
    runCommand(load, { ATTUNE__DATABASE__URL: fresh.url }),
    runCommand([...load, "--api", api.address], { ATTUNE_API_TOKEN: "admin" }),
  ]);

  expect(direct).toMatchObject({ code: 1, stdout: "" });
  expect(direct.stderr).toContain(
    `${folder.directory}/rules/lost.yaml:3 trigger_ref names the trigger demo.tik`,
  );
  expect(direct.stderr).toContain(`${folder.directory}/rules/hooked.yaml:6 trigger_params.path`);
  expect(throughApi.stderr).toBe(direct.stderr);
});
