import { basename, join } from "node:path";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { migrate } from "../../src/agent/commands/migrate.ts";
import { loadPacks } from "../../src/agent/commands/packs-load.ts";
import type { Invocation } from "../../src/agent/invocation.ts";
import { asSuperuser, emptyDatabase } from "../support/postgres.ts";

test("migrate applies and lists pending migrations, then reports that none are pending", async () => {
  await using empty = await emptyDatabase();
  const first = invocation(empty.url);
  const second = invocation(empty.url);

  expect(await migrate(first)).toBe(0);
  expect(await migrate(second)).toBe(0);

  expect(first.printed()).toMatch(
    /^applied 20260101000001_create_platform\n(applied .+\n)+\d+ applied to 127\.0\.0\.1:\d+\/\w+\n$/,
  );
  expect(second.printed()).toMatch(/ already has every migration\n$/);
});

test("packs can be loaded into an unused database, and loading them again changes nothing", async () => {
  await using empty = await emptyDatabase();
  const { host, pathname } = new URL(empty.url);
  const pack = packWithOneTrigger();
  const first = invocation(empty.url);
  const second = invocation(empty.url, "json");

  expect(await loadPacks(first, [pack])).toBe(0);
  expect(await loadPacks(second, [pack])).toBe(0);

  expect(first.printed()).toMatch(
    /^created   pack my\ncreated   trigger my\.tick\n2 created, 0 updated, 0 removed, 0 unchanged in .+\n$/,
  );
  expect(JSON.parse(second.printed())).toEqual({
    database: `${host}${pathname}`,
    changes: [],
    unchanged: [
      { kind: "pack", ref: "my" },
      { kind: "trigger", ref: "my.tick" },
    ],
    warnings: [],
  });
  const { rows } = await asSuperuser(
    (client) => client.query("select ref from attune.trigger where pack_ref = 'my'"),
    empty.url,
  );
  expect(rows).toEqual([{ ref: "my.tick" }]);
});

test("a pack outside packs_base_dir is loaded with a warning, because workers do not find its scripts", async () => {
  await using empty = await emptyDatabase();
  const pack = packWithOneTrigger();
  mkdirSync(join(pack, "sensors"));
  writeFileSync(join(pack, "sensors/clock.sh"), "date\n");
  writeFileSync(
    join(pack, "sensors/clock.yaml"),
    "ref: my.clock\nlabel: Clock\nruntime: shell\nprotocol: poll\nentrypoint: clock.sh\ntrigger: my.tick\n",
  );
  const packs = mkdtempSync(join(tmpdir(), "attune-packs-"));
  onTestFinished(() => rmSync(packs, { recursive: true }));
  const load = async () => {
    const { environment, ...rest } = invocation(empty.url, "json");
    await loadPacks({ ...rest, environment: { ...environment, ATTUNE__PACKS_BASE_DIR: packs } }, [pack]);
    return JSON.parse(rest.printed()).warnings;
  };

  const outside = await load();
  symlinkSync(pack, join(packs, "my"));
  const inside = await load();

  const reason = `is not where workers look for the 1 script of its sensors: ${packs}/my, which does not exist here; copy or mount the pack there on every machine whose worker runs them, or set packs_base_dir`;
  expect(outside).toEqual([expect.objectContaining({ kind: "pack-elsewhere", directory: pack, reason })]);
  expect(inside).toEqual([]);
});

test("a missing folder is refused before a database is opened", async () => {
  const nowhere = invocation("postgresql://attune@127.0.0.1:1/nobody");

  await expect(loadPacks(nowhere, ["/nonexistent"])).rejects.toMatchObject({
    code: "PACK_INVALID",
    message: "could not load /nonexistent: it does not exist; nothing was loaded; give the folder of a pack",
  });
  await expect(loadPacks(nowhere, [""])).rejects.toMatchObject({
    message: 'could not load "": it does not exist; nothing was loaded; give the folder of a pack',
  });
  await expect(loadPacks(nowhere, ["/nonexistent", import.meta.filename])).rejects.toMatchObject({
    message: expect.stringMatching(
      /^could not load .*: 2 problems; nothing was loaded; correct them, see docs\/packs\.md\n {2}\/nonexistent does not exist; give the folder of a pack\n {2}.* is not a folder; give/,
    ),
  });
});

test("an invalid pack does not create an embedded database", async () => {
  const pack = packWithOneTrigger();
  writeFileSync(join(pack, "triggers/tick.yaml"), "label: Tick\n");
  const { environment, ...rest } = invocation("");
  const dataDirectory = join(pack, "data");

  const load = loadPacks({ ...rest, environment: { ...environment, ATTUNE__DATA_DIR: dataDirectory } }, [
    pack,
  ]);

  await expect(load).rejects.toMatchObject({
    reason: `${pack}/triggers/tick.yaml:1 ref is required`,
  });
  expect(existsSync(dataDirectory)).toBe(false);
});

test("loading packs into an embedded database reports its folder", async () => {
  const pack = packWithOneTrigger();
  const { environment, ...rest } = invocation("");
  const dataDirectory = join(pack, "..", `${basename(pack)}-data`);
  onTestFinished(() => rmSync(dataDirectory, { recursive: true, force: true }));

  await loadPacks({ ...rest, environment: { ...environment, ATTUNE__DATA_DIR: dataDirectory } }, [pack]);

  expect(rest.printed()).toMatch(/ 0 unchanged in the embedded database in \S+-data\n$/);
});

function invocation(url: string, format: "text" | "json" = "text"): Invocation & { printed(): string } {
  let printed = "";
  return {
    environment: { DATABASE_URL: url, ATTUNE__LOG__LEVEL: "error" },
    configPath: undefined,
    workerName: undefined,
    format,
    print: (text) => (printed += text),
    complain: () => {},
    printed: () => printed,
  };
}

function packWithOneTrigger(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-pack-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  mkdirSync(join(directory, "triggers"));
  writeFileSync(join(directory, "pack.yaml"), "ref: my\nlabel: Mine\nversion: 1.0.0\n");
  writeFileSync(join(directory, "triggers/tick.yaml"), "ref: my.tick\nlabel: Tick\n");
  return directory;
}
