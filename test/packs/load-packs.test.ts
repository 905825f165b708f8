import { join } from "node:path";
import { expect, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { loadPacks, type LoadReport } from "../../src/packs/load-packs.ts";
import { readPacks } from "../../src/packs/read-packs.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";
import { freshDatabase } from "../support/postgres.ts";

async function load(database: Database, directories: readonly string[]): Promise<LoadReport> {
  return loadPacks(database, (await readPacks(directories)).packs);
}

function changesOf({ changes }: LoadReport): readonly string[] {
  return changes.map(({ kind, ref, change }) => `${change} ${kind} ${ref}`);
}

async function revision(database: Database): Promise<unknown> {
  return (await database.query({ text: "select value from rule_revision" })).rows;
}

async function rows(database: Database, text: string): Promise<readonly object[]> {
  return (await database.query({ text })).rows;
}

test("a pack's definitions become rows that refer to each other", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);

  const report = await load(fresh.database, [folder.directory]);

  expect(changesOf(report).toSorted()).toEqual([
    "created action demo.note",
    "created pack demo",
    "created rule demo.noted",
    "created runtime demo.ruby",
    "created sensor demo.clock",
    "created trigger demo.tick",
    "created trigger demo.tock",
  ]);
  const text = `select p.ref as pack, r.ref as runtime, t.ref as main, f.ref as further, rule.ref as rule, a.ref as action
                  from sensor s
                  join pack p on p.id = s.pack
                  join runtime r on r.id = s.runtime
                  join trigger t on t.id = s.trigger
                  join sensor_trigger st on st.sensor = s.id
                  join trigger f on f.id = st.trigger
                  join rule on rule.trigger = t.id
                  join action a on a.id = rule.action`;
  expect(await rows(fresh.database, text)).toEqual([
    {
      pack: "demo",
      runtime: "demo.ruby",
      main: "demo.tick",
      further: "demo.tock",
      rule: "demo.noted",
      action: "demo.note",
    },
  ]);
});

test("loading again changes nothing: no row, no revision, no message", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  const { database } = fresh;
  await load(database, [folder.directory]);
  const before = await revision(database);
  const versions =
    "select xmin::text, ref from (select xmin, ref from rule union all select xmin, ref from sensor union all select xmin, ref from pack) as x order by ref";
  const rowsBefore = await rows(database, versions);
  await database.query({ text: "delete from outbox" });

  const report = await load(database, [folder.directory]);

  expect(report).toMatchObject({ changes: [], unchanged: { length: 7 } });
  expect(await revision(database)).toEqual(before);
  expect(await rows(database, versions)).toEqual(rowsBefore);
  expect(await rows(database, "select from outbox")).toEqual([]);
});

test("a changed file changes its row and no other", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  await load(fresh.database, [folder.directory]);

  await folder.write("rules/noted.yaml", "ref: noted\ntrigger: tock\naction: note\n");
  const report = await load(fresh.database, [folder.directory]);

  expect(changesOf(report)).toEqual(["updated rule demo.noted"]);
});

test("a sensor's further triggers follow its file, and count as a change of the sensor", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  await load(fresh.database, [folder.directory]);

  const clock = demoPack["sensors/clock.yaml"]?.replace("[tick, tock]", "[tick]") ?? "";
  await folder.write("sensors/clock.yaml", clock);

  expect(changesOf(await load(fresh.database, [folder.directory]))).toEqual(["updated sensor demo.clock"]);
  expect(
    await rows(
      fresh.database,
      "select from sensor_trigger join sensor on sensor.id = sensor where sensor.ref = 'demo.clock'",
    ),
  ).toEqual([]);
});

test("a definition missing from the files is removed if a load created it, and kept if a user did", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  await load(fresh.database, [folder.directory]);
  await fresh.database.query({
    text: "insert into rule (ref, pack_ref, action_ref, trigger_ref) values ('demo.mine', 'demo', 'demo.note', 'demo.tick')",
  });

  await folder.write("rules/noted.yaml", null);
  const report = await load(fresh.database, [folder.directory]);

  expect(changesOf(report)).toEqual(["updated pack demo", "removed rule demo.noted"]);
  expect(await rows(fresh.database, "select ref from rule")).toEqual([{ ref: "demo.mine" }]);
});

test("a rule disabled by an operator stays disabled until the file changes it", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  const { database } = fresh;
  const enabled = () => rows(database, "select enabled from rule");
  const withRule = (lines: string) =>
    folder.write("rules/noted.yaml", `${demoPack["rules/noted.yaml"] ?? ""}${lines}`);
  await load(database, [folder.directory]);
  await database.query({ text: "update rule set enabled = false" });

  await withRule("label: Another label\n");
  await load(database, [folder.directory]);
  expect(await enabled()).toEqual([{ enabled: false }]);

  await withRule("enabled: false\n");
  await load(database, [folder.directory]);
  await withRule("enabled: true\n");
  await load(database, [folder.directory]);
  expect(await enabled()).toEqual([{ enabled: true }]);
});

test("a reference to nothing is refused by file, line and field, and then nothing is loaded", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder({
    ...demoPack,
    "rules/noted.yaml": "ref: noted\ntrigger: other.gone\naction: nothing\n",
  });

  await expect(load(fresh.database, [folder.directory])).rejects.toMatchObject({
    code: "PACK_INVALID",
    reason: [
      `${folder.directory}/rules/noted.yaml:2 trigger names the trigger other.gone, which exists neither in these packs nor in the database`,
      `${folder.directory}/rules/noted.yaml:3 action names the action demo.nothing, which exists neither in these packs nor in the database`,
    ].join("; "),
  });
  expect(await rows(fresh.database, "select from pack where ref = 'demo'")).toEqual([]);
});

test("a dangling reference is reported with a suggestion, and with the source of a missing runtime", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder({
    ...demoPack,
    "rules/noted.yaml": "ref: noted\ntrigger: tickk\naction: note\n",
    "sensors/lisp.yaml": "ref: lisp\nruntime: lisp\nentrypoint: clock.rb\nprotocol: poll\ntrigger: tick\n",
  });

  const loading = load(fresh.database, [folder.directory]);

  await expect(loading).rejects.toThrow(/trigger demo\.tickk, .*; did you mean demo\.tick\?$/m);
  await expect(loading).rejects.toThrow(/runtime core\.sensor\.lisp, .* in its folder runtimes$/m);
});

test("a reference to a definition that this load removes is dangling", async () => {
  await using fresh = await freshDatabase();
  await using folder = await packFolder(demoPack);
  await load(fresh.database, [folder.directory]);

  await folder.write("actions/note.yaml", null);

  await expect(load(fresh.database, [folder.directory])).rejects.toMatchObject({ code: "PACK_INVALID" });
});

test("packs may refer to each other, in whatever order they are given", async () => {
  await using fresh = await freshDatabase();
  await using demo = await packFolder(demoPack);
  await using other = await packFolder({
    "pack.yaml": "ref: other\n",
    "rules/one.yaml": "ref: one\ntrigger: demo.tick\naction: demo.note\n",
  });

  await load(fresh.database, [other.directory, demo.directory]);

  expect(
    await rows(
      fresh.database,
      "select ref from rule where trigger is not null and action is not null order by ref",
    ),
  ).toEqual([{ ref: "demo.noted" }, { ref: "other.one" }]);
});

test("two folders of one name are refused", async () => {
  await using fresh = await freshDatabase();
  await using one = await packFolder(demoPack);
  await using two = await packFolder(demoPack);

  await expect(load(fresh.database, [one.directory, two.directory])).rejects.toThrow(
    "is also the ref of the pack in",
  );
});

// Goal: agents that load at the same moment neither fail nor load twice.
// Method: the same two packs, half of the loads in the other order, so that each row is wanted by all.
test("ten loads at once end as one would", async () => {
  await using fresh = await freshDatabase();
  await using demo = await packFolder(demoPack);
  await using other = await packFolder({ "pack.yaml": "ref: other\n" });
  const packs = [demo.directory, other.directory];

  const reports = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      load(fresh.database, index % 2 === 0 ? packs : packs.toReversed()),
    ),
  );

  expect(reports.filter(({ changes }) => changes.length > 0).length).toBe(1);
});

// Creating an embedded database takes seconds of CPU time, and longer on a busy machine.
test("the embedded database takes packs as PostgreSQL does", { timeout: 120_000 }, async () => {
  await using folder = await packFolder(demoPack);
  await using data = await packFolder({});
  await using database = await openEmbedded({
    dataDirectory: join(data.directory, "data"),
    logger: silentLogger,
  });
  await migrate(database, loadMigrations(), silentLogger);

  const first = await load(database, [folder.directory]);
  await folder.write("actions/second.yaml", "ref: second\n");
  await folder.write("rules/noted.yaml", "ref: noted\ntrigger: tock\naction: second\n");
  await folder.write("actions/note.yaml", null);
  const second = await load(database, [folder.directory]);

  expect(first.changes.length).toBe(7);
  expect(changesOf(second)).toEqual([
    "updated pack demo",
    "created action demo.second",
    "updated rule demo.noted",
    "removed action demo.note",
  ]);
});

test("rules whose webhook another rule answers with other settings are refused, and can be exchanged at once", async () => {
  await using fresh = await freshDatabase();
  const hook = (ref: string, params: string) => ({
    [`rules/${ref}.yaml`]: `ref: ${ref}\ntrigger: core.webhook\naction: note\ntrigger_params: ${params}\n`,
  });
  await using first = await packFolder({
    ...demoPack,
    ...hook("one", "{path: in}"),
    ...hook("two", "{path: in}"),
  });
  await load(fresh.database, [first.directory]);

  await using split = await packFolder({
    ...demoPack,
    ...hook("one", "{path: in}"),
    ...hook("two", "{path: in, secret: demo.secret}"),
  });
  await expect(load(fresh.database, [split.directory])).rejects.toThrow(
    /rules\/two\.yaml:4 trigger_params\.path POST \/webhooks\/in is also the rule demo\.one's, with other settings/,
  );
  // Both are changed together, and a rule that goes makes way.
  await using moved = await packFolder({
    ...demoPack,
    ...hook("three", "{path: in, secret: demo.secret}"),
    ...hook("two", "{path: in, secret: demo.secret}"),
  });
  expect(changesOf(await load(fresh.database, [moved.directory]))).toEqual(
    expect.arrayContaining(["created rule demo.three", "updated rule demo.two", "removed rule demo.one"]),
  );
});
