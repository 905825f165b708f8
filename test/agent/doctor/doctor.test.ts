import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { doctor } from "../../../src/agent/commands/doctor.ts";
import { emptyDatabase, freshDatabase } from "../../support/postgres.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../../support/platform-rows.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { programDirectory } from "../../support/program-directory.ts";

test("a healthy installation is told part by part, and nothing is wrong", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url, ATTUNE_MQ_URL: vhost.url });

  expect(report).toMatch(/^✓ configuration: /);
  expect(report).toMatch(/^✓ broker: .+\/attune-test-/m);
  expect(report).toMatch(/^✓ database: 127\.0\.0\.1:5432\/attune_test_\w+, schema attune$/m);
  expect(report).toMatch(/^✓ migrations: all applied$/m);
  expect(report).toMatch(/^✓ runtime core\.sensor\.python: .+\/python3 \(3\.11\.2\)$/m);
  expect(report).toMatch(/^- runtime core\.sensor\.nodejs: node is not on PATH, .+; install Node\.js/m);
  expect(report).toMatch(/^- runtime core\.sensor\.native: native is offered only when/m);
  expect(report).toMatch(/^✓ placement: /m);
  expect(report).toMatch(/\nNothing is wrong\.\n$/);
  expect(exitCode).toBe(0);
});

test("the JSON report says the same", async () => {
  await using fresh = await freshDatabase();

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url }, "json");

  expect(exitCode).toBe(0);
  expect(JSON.parse(report)).toMatchObject({
    healthy: true,
    findings: expect.arrayContaining([
      { state: "good", subject: "migrations", detail: "all applied", remedy: null },
    ]),
  });
});

test("a configuration with problems ends the examination, with every problem", async () => {
  const { exitCode, report } = await examine({ ATTUNE__API__PORT: "x", ATTUNE__LOG__LEVEL: "loud" });

  expect(exitCode).toBe(1);
  expect(report).toMatch(/^✗ configuration: .*api\.port.*log\.level.*\n1 of 1 findings are wrong\.\n$/);
});

test("a database and a broker that do not answer are each named, and neither hides the other", async () => {
  const { exitCode, report } = await examine({
    DATABASE_URL: "postgresql://attune:geheim@127.0.0.1:1/attune",
    ATTUNE_MQ_URL: "amqp://attune:geheim@127.0.0.1:1",
  });

  expect(exitCode).toBe(1);
  expect(report).toMatch(/^✗ broker: .*ECONNREFUSED.*message_queue\.url$/m);
  expect(report).toMatch(/^✗ database: .*ECONNREFUSED.*database\.url$/m);
  expect(report).not.toContain("geheim");
});

test("a database without migrations is told how to get them, and what needs tables is not looked for", async () => {
  await using empty = await emptyDatabase();

  const { exitCode, report } = await examine({ DATABASE_URL: empty.url });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ migrations: \d+ not applied \(20260101000001_create_platform, .*run "attune-sensor-agent migrate"$/m,
  );
  expect(report).not.toContain("placement");
});

test("looking at an installation that was never started creates nothing", async () => {
  const { exitCode, report, directory } = await examine({});

  expect(exitCode).toBe(0);
  expect(report).toContain(
    `- database: embedded, to be made in ${join(directory, "data")} at the first start`,
  );
});

test("malformed rows, names without a row, missing scripts and sensors without a worker are wrong", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await query(database, "insert into runtime (ref, runtime_type, name) values ('my.odd', 'sensor', 'Odd')");
  await insertTrigger(database, "my.tick");
  await insertRule(database, { ref: "my.rule", triggerRef: "my.tick" });
  await insertSensor(database, { ref: "my.here", triggerRef: "my.tick", entrypoint: "here.py" });
  await insertSensor(database, { ref: "my.gone", triggerRef: "my.tick", entrypoint: "gone.py" });

  const { exitCode, report } = await examine({
    DATABASE_URL: fresh.url,
    ATTUNE_SENSOR_RUNTIMES: "python,node,haskell",
  });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ runtime my\.odd: its row is malformed: .*neither commands nor always_available/m,
  );
  expect(report).toMatch(
    /^✗ runtime core\.sensor\.nodejs: named by an override, but none of node, nodejs is on PATH/m,
  );
  expect(report).toMatch(/^✗ runtime haskell: named by an override, but no row/m);
  expect(report).toMatch(/^- runtime core\.sensor\.shell: shell is left out by the override/m);
  expect(report).toMatch(/^✗ sensor my\.gone: its entrypoint cannot be read: .*gone\.py/m);
  expect(report).not.toMatch(/sensor my\.here: its entrypoint/);
  expect(report).toMatch(/^✗ sensor my\.here: runs nowhere: no sensor worker is alive$/m);
});

/** Examines from inside a directory of its own, with a Python, no Node and one pack. */
async function examine(
  settings: Record<string, string>,
  format: "text" | "json" = "text",
): Promise<{ exitCode: number; report: string; directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), "attune-doctor-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const scripts = join(directory, "packs/my/sensors");
  mkdirSync(scripts, { recursive: true });
  writeFileSync(join(scripts, "here.py"), "print('{}')\n");
  chmodSync(join(scripts, "here.py"), 0o644);

  const programs = programDirectory();
  programs.script("python3", "echo Python 3.11.2");
  const sh = programs.script("sh", "exit 0");
  chmodSync(sh, 0o755);
  let report = "";
  const exitCode = await doctor({
    environment: {
      PATH: programs.path,
      ATTUNE__PACKS_BASE_DIR: join(directory, "packs"),
      ATTUNE__DATA_DIR: join(directory, "data"),
      ...settings,
    },
    configPath: undefined,
    workerName: "sensor-doctor",
    format,
    print: (text) => (report += text),
    complain: () => {},
  });
  return { exitCode, report, directory };
}
