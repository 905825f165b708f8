import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../../src/api/server.ts";
import { doctor } from "../../../src/agent/commands/doctor.ts";
import { checkListeners } from "../../../src/diagnosis/checks/listener-check.ts";
import type { Queryable } from "../../../src/database/database.ts";
import { openEmbedded } from "../../../src/database/embedded/embedded.ts";
import type { Id } from "../../../src/model/identifiers.ts";
import { idleSources } from "../../support/gauge-sources.ts";
import { freePort } from "../../../scripts/services/free-port.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import type { GaugeSources } from "../../../src/telemetry/gauges.ts";
import { createMetrics } from "../../../src/telemetry/metrics.ts";
import { agentFolder, ready, startAgent } from "../../support/agent-process.ts";
import { startFaultProxy } from "../../support/fault-proxy.ts";
import { asSuperuser, emptyDatabase, freshDatabase } from "../../support/postgres.ts";
import { insertRule, insertSensor, insertTrigger, insertWorker, query } from "../../support/platform-rows.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { programDirectory } from "../../support/program-directory.ts";

test("a healthy installation is reported part by part, and nothing is wrong", async () => {
  await using fresh = await freshDatabase();
  await using vhost = await freshVhost();

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url, ATTUNE_MQ_URL: vhost.url });

  expect(report).toMatch(/^✓ configuration +no file/);
  expect(report).toMatch(/^✓ logs +are written to .+\/logs$/m);
  expect(report).toMatch(/^✓ broker +.+\/attune-test-/m);
  expect(report).toContain(`${new URL(fresh.url).host}${new URL(fresh.url).pathname}, schema attune\n`);
  expect(report).toMatch(/^✓ database /m);
  expect(report).toMatch(/^✓ migrations +all applied$/m);
  expect(report).toMatch(/^- workers +none is alive/m);
  expect(report).toMatch(/^✓ runtime core\.sensor\.python +.+\/python3 \(3\.\d+\.\d+\)$/m);
  expect(report).toMatch(/^- runtime core\.sensor\.nodejs +node is not on PATH, .+; install Node\.js/m);
  expect(report).toMatch(/^- runtime core\.sensor\.native +native is offered only when/m);
  expect(report).toMatch(/^- sensors +there are none\n +→ attune-sensor-agent packs load/m);
  expect(report).toMatch(/^✓ rules /m);
  expect(report).toMatch(/^✓ messages +none waiting/m);
  expect(report).toMatch(/^✓ retention events +none yet, [\d.]+ [kM]B; kept: 30 days$/m);
  expect(report).toMatch(/\nNothing is wrong\.\n$/);
  expect(exitCode).toBe(0);
});

test("the JSON report has the same findings", async () => {
  await using fresh = await freshDatabase();

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url }, "json");

  expect(exitCode).toBe(0);
  expect(JSON.parse(report)).toMatchObject({
    healthy: true,
    findings: expect.arrayContaining([
      { state: "good", subject: "migrations", detail: "all applied", remedy: null, lines: [], facts: {} },
    ]),
  });
});

test("a configuration with problems ends the examination and lists every problem", async () => {
  const { exitCode, report } = await examine({ ATTUNE__API__PORT: "x", ATTUNE__LOG__LEVEL: "loud" });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ configuration +could not use the configuration: 2 problems\n +→ correct it.*\n +│ api\.port .*\n +│ log\.level .*\n1 of 1 findings is wrong\.\n$/,
  );
});

test("an unreachable database and an unreachable broker are both reported", async () => {
  const { exitCode, report } = await examine({
    DATABASE_URL: "postgresql://attune:geheim@127.0.0.1:1/attune",
    ATTUNE_MQ_URL: "amqp://attune:geheim@127.0.0.1:1",
  });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ broker +could not connect to RabbitMQ at 127\.0\.0\.1:1\/: nothing listens on .*\n +→ .*message_queue\.url; /m,
  );
  expect(report).toMatch(
    /^✗ database +could not connect to the database at 127\.0\.0\.1:1\/attune: nothing listens on .*\n +→ .*database\.url; /m,
  );
  expect(report).not.toContain("geheim");
});

test("a database without migrations gets the command to apply them, and checks that need tables are skipped", async () => {
  await using empty = await emptyDatabase();

  const { exitCode, report } = await examine({ DATABASE_URL: empty.url });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ migrations +\d+ not applied \(20260101000001_create_platform, .*\n +→ attune-sensor-agent migrate$/m,
  );
  expect(report).not.toMatch(/^. sensors? /m);
});

test("examining an installation that was never started creates nothing", async () => {
  const { exitCode, report, directory } = await examine({});

  expect(exitCode).toBe(0);
  expect(report).toContain(
    `- database       embedded; the first start creates it in ${join(directory, "data")}`,
  );
});

test("a limit on open files too low for the embedded database is wrong before the first start", () => {
  const directory = madeDirectory();
  const main = new URL("../../../src/main.ts", import.meta.url).pathname;

  const { status, stdout } = spawnSync(
    "/bin/sh",
    ["-c", 'ulimit -n 255; exec "$@"', "sh", process.execPath, main, "doctor"],
    { cwd: directory, env: { PATH: "/nowhere", ATTUNE__API__PORT: "0" }, encoding: "utf8" },
  );

  expect(stdout).toMatch(
    /^✗ database +.*it needs a limit of 256 open files, and this process has one of 255\n +→ raise the limit/m,
  );
  expect(status).toBe(1);
  expect(readdirSync(directory)).toEqual([]);
});

test("malformed rows, unknown runtimes, missing scripts and sensors without a worker are wrong", async () => {
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
    /^✗ runtime my\.odd +its row is malformed: .*neither commands nor always_available/m,
  );
  expect(report).toMatch(
    /^✗ runtime core\.sensor\.nodejs +named by an override, but none of node, nodejs is on PATH/m,
  );
  expect(report).toMatch(/^✗ runtime haskell +named by an override, but no row/m);
  expect(report).toMatch(/^- runtime core\.sensor\.shell +shell is excluded by the override/m);
  expect(report).toMatch(/^✗ script of my\.gone +its entrypoint names .*gone\.py, which does not exist/m);
  expect(report).not.toMatch(/script of my\.here/);
  expect(report).toMatch(/^✗ sensor my\.here +cannot run: no sensor worker is alive$/m);
});

test("a failed sensor is reported with its exit code, its last output and a remedy", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  const sensorId = await failingSensor(database);

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url });

  expect(exitCode).toBe(1);
  expect(report).toMatch(/^✓ worker w1 +is alive on .*runs 1 of at most 10 sensors$/m);
  // Built-in sensors use no capacity.
  await query(
    database,
    `insert into sensor_assignment (sensor, worker, instance, generation)
     select sensor.id, worker.id, worker.instance, 1
       from sensor, worker
      where sensor.ref = 'core.timers' and worker.name = 'w1'`,
  );
  expect((await examine({ DATABASE_URL: fresh.url })).report).toMatch(
    /^✓ worker w1 .*runs 1 of at most 10 sensors, and 1 built-in$/m,
  );
  expect(report).toMatch(
    /^✗ sensor my\.tick +has failed on worker w1: it exited with code 3; 4 failures in a row\n +→ fix it; it will be restarted in 5 min, .*sensors restart my\.tick\n +│ Traceback\n +│ ValueError: no$/m,
  );

  await query(database, "update sensor_process set status = 'running', pid = 42 where sensor = $1", [
    sensorId,
  ]);
  expect((await examine({ DATABASE_URL: fresh.url })).report).toMatch(
    /^- sensor my\.tick +is running on worker w1, pid 42, but has printed nothing since it started 3 min ago$/m,
  );

  await query(database, "update sensor_process set first_output_at = started_at where sensor = $1", [
    sensorId,
  ]);
  expect((await examine({ DATABASE_URL: fresh.url })).report).toMatch(
    /^✓ sensor my\.tick +is running on worker w1, pid 42, started 3 min ago$/m,
  );
});

test("the report of a former worker is not taken for the sensor's current state", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await failingSensor(database);
  const instance = "00000000-0000-4000-8000-000000000002";
  const second = await insertWorker(database, { name: "w2", instance });
  await query(
    database,
    "update sensor_assignment set worker = $1, instance = $2, claimed_at = clock_timestamp()",
    [second, instance],
  );

  const { report } = await examine({ DATABASE_URL: fresh.url });

  expect(report).toMatch(/^- sensor my\.tick +is assigned to worker w2, which has not reported yet$/m);

  await query(
    database,
    `update sensor_assignment
        set worker = worker.id, instance = worker.instance, claimed_at = clock_timestamp()
       from worker
      where worker.name = 'w1'`,
  );
  expect((await examine({ DATABASE_URL: fresh.url })).report).toMatch(
    /^- sensor my\.tick +is assigned to worker w1, which has not reported yet$/m,
  );
});

test("a failed sensor is wrong even when no worker holds it any more", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await failingSensor(database);
  await query(
    database,
    "update sensor_assignment set worker = null, instance = null, lease_expires_at = null",
  );

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url });

  expect(report).toMatch(
    /^✗ sensor my\.tick +failed on worker w1: it exited with code 3; 4 failures in a row; is waiting for a worker to claim it\n +│ Traceback\n +│ ValueError: no$/m,
  );
  expect(exitCode).toBe(1);
});

// Goal: on a busy database, doctor does not report a sensor as unheld while a live worker holds it.
// Method: one of its statements takes longer than the remaining leases; meanwhile they would have been renewed.
test("leases are judged as of the start of the examination, even if it takes longer than they last", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await failingSensor(database);
  await query(database, "update sensor_process set status = 'running', pid = 42, first_output_at = now()");
  const inTwoSeconds = "lease_expires_at = clock_timestamp() + interval '2 s'";
  const locker = await fresh.connect();
  await locker.query("begin; lock table rule in access exclusive mode");

  const examined = examine({ DATABASE_URL: fresh.url });
  const waiting = `select from pg_stat_activity
                    where wait_event_type = 'Lock' and datname = current_database() and query like '%select sensor.ref%'`;
  // Renews until the examination waits for the lock.
  await expect
    .poll(
      async () => {
        await query(database, `update worker set ${inTwoSeconds}`);
        return query(database, waiting);
      },
      { timeout: 20_000 },
    )
    .toHaveLength(1);
  await expect
    .poll(() => query(database, "select from worker where lease_expires_at < clock_timestamp()"))
    .toHaveLength(1);
  await locker.query("commit");

  const { report } = await examined;
  expect(report).toMatch(/^✓ worker w1 +is alive/m);
  expect(report).toMatch(/^✓ sensor my\.tick +is running on worker w1/m);
});

test("a database that accepts no writes is wrong although it answers every query", async () => {
  await using fresh = await freshDatabase();
  await query(
    fresh.database,
    // The trial write ends last, so that the verification of runtimes fails while nobody waits for it yet.
    `create function refuse_for_want_of_room() returns trigger language plpgsql as
       'begin
          if new.runtime_ref = ''trial'' then perform pg_sleep(1); end if;
          raise exception ''could not extend file'' using errcode = ''53100'';
        end'`,
  );
  await query(
    fresh.database,
    `create trigger full_disk before insert on runtime_verification
        for each row execute function refuse_for_want_of_room()`,
  );

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url });

  expect(report).toMatch(
    /^✗ storage +the database accepts no new rows: could not extend file \(SQLSTATE 53100\)\n +→ .*; until then, sensors wait/m,
  );
  expect(exitCode).toBe(1);
});

test("the trial write leaves no row behind", async () => {
  await using fresh = await freshDatabase();

  const { report } = await examine({ DATABASE_URL: fresh.url });

  expect(report).toMatch(/^✓ storage +the database accepts new rows$/m);
  expect(await query(fresh.database, "select from runtime_verification where runtime_ref = 'trial'")).toEqual(
    [],
  );
});

test("missing rights are listed with the statements that grant them", async () => {
  await using fresh = await freshDatabase();
  const role = `attune_test_${randomBytes(4).toString("hex")}`;
  await asSuperuser((client) => client.query(`create role ${role} login password 'secret'`));
  onTestFinished(() => asSuperuser(async (client) => void (await client.query(`drop role ${role}`))));
  await query(fresh.database, `grant usage on schema attune to ${role}`);
  await query(fresh.database, `grant select on all tables in schema attune to ${role}`);
  const url = new URL(fresh.url);
  url.username = role;
  url.password = "secret";

  const { exitCode, report } = await examine({ DATABASE_URL: url.href });

  expect(report).toMatch(
    /^✗ rights +the role attune_test_\w+ lacks .*insert on event, .*\n +→ run as the owner of the schema:$/m,
  );
  expect(report).toContain(`│ grant insert on table attune.event to ${role};`);
  expect(exitCode).toBe(1);
});

test("a refused connection to the broker is reported after one attempt", async () => {
  await using proxy = await startFaultProxy({ targetHost: "127.0.0.1", targetPort: 1 });
  proxy.refuse();

  const { report } = await examine({ ATTUNE_MQ_URL: `amqp://127.0.0.1:${proxy.port}` });

  expect(report).toMatch(/^✗ broker /m);
  expect(proxy.connectionsAccepted).toBe(1);
});

test("without any configuration, doctor reports that it found no installation", () => {
  const directory = madeDirectory();
  const main = new URL("../../../src/main.ts", import.meta.url).pathname;

  const { status, stdout } = spawnSync(process.execPath, [main, "doctor"], {
    cwd: directory,
    env: { PATH: "/nowhere" },
    encoding: "utf8",
  });

  expect(stdout).toMatch(
    /^✗ installation +none found: no configuration file, no setting in the environment and no database in .*\n +→ run doctor with the agent's configuration \(--config FILE/m,
  );
  expect(status).toBe(1);
});

test("an invalid rule, an unresponsive worker, stuck messages and a broken environment are wrong", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await failingSensor(database);
  const ruleId = await insertRule(database, { ref: "my.odd", triggerRef: "my.tick" });
  await query(database, "insert into rule_problem (rule, problem) values ($1, 'field is missing')", [ruleId]);
  await insertWorker(database, { name: "silent", instance: "00000000-0000-4000-8000-000000000003" });
  await query(
    database,
    "update worker set last_heartbeat = now() - interval '4 hours', lease_expires_at = now() - interval '4 hours' where name = 'silent'",
  );
  await query(database, "update outbox set created = now() - interval '3 minutes'");

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url }, "text", ["my/python"]);

  expect(exitCode).toBe(1);
  expect(report).toMatch(/^✗ rule my\.odd +is invalid and matches nothing: field is missing$/m);
  expect(report).toMatch(/^✗ worker silent +is not responding on .*last heartbeat 4 h ago$/m);
  expect(report).toMatch(/^✗ messages +\d+ waiting to be published, the oldest for 3 min$/m);
  expect(report).toMatch(/^✗ environment my python +the environment .+\/my\/python has no interpreter/m);
});

test("an enabled rule whose conditions look wrong is a notice, not an error", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "my.tick");
  const conditions = [{ field: "paylod.host", operator: "exists" }];
  await insertRule(database, { ref: "my.doubtful", triggerRef: "my.tick", conditions });
  await insertRule(database, { ref: "my.off", triggerRef: "my.tick", conditions, enabled: false });
  await insertRule(database, {
    ref: "my.broken",
    triggerRef: "my.tick",
    conditions: [{ field: "paylod.host" }],
  });

  const { report } = await examine({ DATABASE_URL: fresh.url });

  expect(report).toMatch(/^✓ rules /m);
  expect(report).toMatch(/^- rule my\.doubtful +has conditions that look wrong: conditions\[0\]\.field: /m);
  expect(report).not.toMatch(/rule my\.(off|broken)/);
});

test("a pack is reported until its dependencies are installed here", async () => {
  await using fresh = await freshDatabase();
  await failingSensor(fresh.database);
  const directory = madeDirectory();
  mkdirSync(join(directory, "packs/my/sensors"), { recursive: true });
  writeFileSync(join(directory, "packs/my/requirements.txt"), "things\n");
  const settings = {
    DATABASE_URL: fresh.url,
    ATTUNE__PACKS_BASE_DIR: join(directory, "packs"),
    ATTUNE__RUNTIME_ENVS_DIR: join(directory, "envs"),
  };

  const { report: before } = await examine(settings);
  const { report: denied } = await examine({ ...settings, ATTUNE__RUNTIME_ENVS_DIR: "/proc/nope" });
  mkdirSync(join(directory, "envs/my/python/bin"), { recursive: true });
  symlinkSync("/bin/true", join(directory, "envs/my/python/bin/python3"));
  const { report: after } = await examine(settings);

  expect(before).toMatch(
    /^- environment my python +.+\/envs\/my\/python-3\.11 lacks the pack's dependencies/m,
  );
  expect(denied).toMatch(
    /^✗ environment my python +\/proc\/nope\/my\/python-3\.11 lacks the pack's dependencies, which the agent cannot install: .+ cannot be created in \/proc: .+\n +→ mount a volume there, or set runtime_envs_dir/m,
  );
  expect(after).not.toMatch(/environment my python/);
});

test("an enabled rule with a missing or ambiguous trigger is wrong, and the finding names the triggers", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "my.tick");
  await insertTrigger(database, "my.tock");
  await insertRule(database, { ref: "my.fine", triggerRef: "my.tick" });
  await insertRule(database, { ref: "my.lost", triggerRef: "my.tik" });
  await insertRule(database, { ref: "my.renamed", triggerRef: "my.old" });
  await insertRule(database, { ref: "my.split", triggerRef: "my.tick" });
  await insertRule(database, { ref: "my.off", triggerRef: "my.tik", enabled: false });
  const point = "update rule set trigger = (select id from trigger where ref = 'my.tock') where ref = $1";
  for (const ref of ["my.split", "my.renamed"]) await query(database, point, [ref]);
  // A trigger that was deleted and loaded again is matched by its ref, as before.
  await query(database, "update rule set trigger = null where ref = 'my.fine'");

  const { exitCode, report } = await examine({ DATABASE_URL: fresh.url });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    /^✗ rule my\.lost +matches nothing: its trigger_ref names my\.tik, which does not exist\n +→ load the pack .* correct the rule's trigger_ref, or disable the rule$/m,
  );
  expect(report).toMatch(
    /^✗ rule my\.renamed +matches nothing: its trigger_ref names my\.old, which does not exist \(its trigger id points to my\.tock, .*\)$/m,
  );
  expect(report).toMatch(
    /^✗ rule my\.split +its trigger_ref names my\.tick, .*but its trigger id points to my\.tock$/m,
  );
  expect(report).not.toMatch(/rule my\.(fine|off)/);

  // The remedy works.
  await query(database, /update rule set .*where ref = 'my\.split'$/m.exec(report)?.[0] ?? "");
  await query(database, "update rule set enabled = false where ref in ('my.lost', 'my.renamed')");
  expect((await examine({ DATABASE_URL: fresh.url })).report).toMatch(/^✓ rules /m);
});

test("a missing packs folder is one finding, not one for each sensor", async () => {
  await using fresh = await freshDatabase();
  await failingSensor(fresh.database);

  const { report } = await examine({ DATABASE_URL: fresh.url, ATTUNE__PACKS_BASE_DIR: "/nonexistent/packs" });

  expect(report).toMatch(/^✗ pack files +\/nonexistent\/packs does not exist, but should contain 1 script$/m);
});

// Opening an embedded database takes seconds of CPU time, and longer on a busy machine.
test(
  "for an embedded database in use, the process using it is named and its agent is asked",
  { timeout: 60_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "attune-doctor-data-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    await using agent = await agentSaying({
      status: "degraded",
      parts: { broker: { state: "down", detail: "refused" } },
    });
    await using _ = await openEmbedded({ dataDirectory: directory, logger: silentLogger });

    const { exitCode, report } = await examine({
      ATTUNE__DATA_DIR: directory,
      ATTUNE__API__PORT: `${agent.port}`,
    });

    expect(report).toContain(
      `embedded in ${directory}; process ${process.pid} uses it, and only one process can`,
    );
    expect(report).toMatch(
      /^✗ agent +is running but not healthy according to http.*\n +│ broker down refused$/m,
    );
    expect(exitCode).toBe(1);
  },
);

// Output without events leaves no row in the database; only the agent that runs the sensor knows.
test("a sensor whose output contains no event is named, from the metrics of the agent", async () => {
  await using agent = await agentWith();
  const { metrics } = agent;
  for (const ref of ["my.garbled", "my.garbled", 'my."odd"', "my.chatty"]) metrics.linesRejected(ref, 1);
  metrics.sensorEvents("my.chatty", 1);

  const { exitCode, report, directory } = await examine({
    ATTUNE__API__PORT: new URL(agent.address).port,
  });

  expect(report).toMatch(/^- output of my\.garbled +2 lines rejected and none accepted/m);
  expect(report).toMatch(/^- output of my\."odd" +1 line rejected and none accepted/m);
  expect(report).toMatch(/^✓ api +an agent answers on 127\.0\.0\.1:\d+$/m);
  expect(report).toContain(`→ search its log in ${join(directory, "logs")} for`);
  expect(report).not.toContain("output of my.chatty");
  expect(exitCode).toBe(0);
});

// Only the agent can read the tables of an embedded database.
test("a sensor that has printed nothing is named, from the metrics of the agent", async () => {
  await using agent = await agentWith({
    sensorsSilentSeconds: () =>
      new Map([
        ["my.quiet", 300.5],
        ["my.new", 5],
      ]),
  });

  const { report } = await examine({ ATTUNE__API__PORT: new URL(agent.address).port });

  expect(report).toMatch(
    /^- output of my\.quiet +nothing printed since it started 5 min ago\n +→ .+flush after each line.+$/m,
  );
  expect(report).not.toContain("my.new");
});

test("a hung agent is named with its worker and process, and not taken for another program", async () => {
  await using fresh = await freshDatabase();
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: undefined,
    packsDirectory: "/nonexistent",
    workerName: "sensor-hung",
  });
  await using agent = await startAgent(folder);
  await ready(agent, folder);
  agent.kill("SIGSTOP");

  const { exitCode, report } = await examine({
    ATTUNE_CONFIG: folder.configPath,
    ATTUNE__API__PORT: new URL(folder.apiUrl).port,
  });

  expect(exitCode).toBe(1);
  expect(report).toMatch(
    new RegExp(
      `^✗ api +127\\.0\\.0\\.1:\\d+ is held by an agent \\(worker sensor-doctor in this configuration\\), pid ${agent.pid}, which does not answer \\(.*\\)\\n +→ check its log.*kill -9 ${agent.pid}`,
      "m",
    ),
  );
});

test("messages that a queue refuses or that reach no queue are named by routing key", async () => {
  await using agent = await agentWith({
    messagesRefused: () => new Map([["event.created", 12]]),
    unroutableKeys: () => ["enforcement.created", "rule.updated"],
  });

  const { exitCode, report } = await examine({
    ATTUNE__API__PORT: new URL(agent.address).port,
    ATTUNE__MESSAGE_QUEUE__EXCHANGE: "acme.events",
  });

  expect(report).toMatch(/^✗ messages event\.created +are refused by a queue; 12 will be retried$/m);
  expect(report).toMatch(/^✗ messages enforcement\.created +are dropped: no queue is bound for them$/m);
  // Where consumers of enforcements bind their queues.
  expect(report).toContain("bind its queue to attune.executions with enforcement.#");
  expect(report).toMatch(/^- messages rule\.updated +are dropped/m);
  expect(report).toContain("bind a queue to acme.events with rule.updated");
  expect(exitCode).toBe(1);
});

test("an agent that the broker takes nothing from is wrong, although doctor can connect; one that is degraded is a notice", async () => {
  await using fresh = await freshDatabase();
  const broker = { state: "down", detail: "mq:5672 accepts no messages: memory alarm", age_seconds: 0 };
  await using blocked = await agentSaying({ status: "degraded", parts: { broker } });
  await using unheard = await agentSaying({
    status: "degraded",
    parts: { broker: { ...broker, state: "degraded" } },
  });
  const environment = { DATABASE_URL: fresh.url };

  const first = await examine({ ...environment, ATTUNE__API__PORT: `${blocked.port}` });
  const second = await examine({ ...environment, ATTUNE__API__PORT: `${unheard.port}` });

  expect(first.report).toMatch(
    /^✗ agent +is running but not healthy according to http.*\n +│ broker down mq:5672 accepts no messages: memory alarm$/m,
  );
  expect(first.exitCode).toBe(1);
  expect(second.report).toMatch(
    /^- agent +works, but not in every part, according to .*\n +│ broker degraded /m,
  );
  expect(second.exitCode).toBe(0);
});

test("what queues did before the broker was lost is not reported as if it were still so", async () => {
  await using agent = await agentWith({
    brokerCondition: () => "disconnected",
    messagesRefused: () => new Map([["event.created", 12]]),
    unroutableKeys: () => ["enforcement.created"],
  });

  const { report } = await examine({ ATTUNE__API__PORT: new URL(agent.address).port });

  expect(report).toMatch(
    /^- messages event\.created +were refused by a queue before the agent's connection to the broker failed \(disconnected\); 12 will be retried once it works$/m,
  );
  expect(report).toMatch(
    /^- messages enforcement\.created +were dropped before .+ \(disconnected\): no queue was bound for them$/m,
  );
  expect(report).not.toMatch(/are refused|are dropped|find the full queue/);
});

test("another program on the API's port is wrong, whatever it answers; a free port is fine", async () => {
  const page = "<html><body>Welcome</body></html>";
  await using website = await listener(
    `HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: ${page.length}\r\n\r\n${page}`,
  );
  const other = '{"status":"ok"}';
  await using service = await listener(
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${other.length}\r\n\r\n${other}`,
  );
  await using store = await listener("-ERR unknown command\r\n");

  const byWebsite = await examine({ ATTUNE__API__PORT: `${website.port}` });
  expect(byWebsite.report).toMatch(
    /^✗ api +127\.0\.0\.1:\d+ is taken by .+ \(pid \d+\), which is not an agent \(http.*\/health answers status 200, text\/html\)\n +→ stop that program, or set api\.port/m,
  );
  expect(byWebsite.exitCode).toBe(1);
  for (const { port } of [service, store]) {
    const { exitCode, report } = await examine({ ATTUNE__API__PORT: `${port}` });
    expect(report).toMatch(/^✗ api +127\.0\.0\.1:\d+ is taken by .+ \(pid \d+\), which is not an agent/m);
    expect(exitCode).toBe(1);
  }

  const { port } = store;
  await store[Symbol.asyncDispose]();
  const free = await examine({ ATTUNE__API__PORT: `${port}` });
  expect(free.report).toMatch(/^✓ api +no agent answers on 127\.0\.0\.1:\d+, and the port is free$/m);
  expect(free.exitCode).toBe(0);
});

test("the metrics port is checked too, and the program that occupies it is named", async () => {
  await using website = await listener(
    "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 0\r\n\r\n",
  );
  const environment = { ATTUNE__API__PORT: `${await freePort()}`, ATTUNE__METRICS__PORT: `${website.port}` };

  const { exitCode, report } = await examine(environment);

  expect(report).toMatch(/^✓ api +no agent answers on 127\.0\.0\.1:\d+, and the port is free$/m);
  expect(report).toMatch(
    /^✗ metrics +127\.0\.0\.1:\d+ is taken by .+, which is not an agent .+\n +→ stop that program, or set metrics\.port/m,
  );
  expect(exitCode).toBe(1);
});

test("an API address that does not belong to this machine is wrong", async () => {
  const api = { section: "api", host: "192.0.2.1", port: 8080 } as const;
  const silence = { kind: "silent", url: "http://192.0.2.1:8080/health", reason: "timeout" } as const;

  expect(await checkListeners([api], "w1", silence)).toMatchObject([
    { state: "wrong", subject: "api", detail: expect.stringMatching(/^cannot listen on .*EADDRNOTAVAIL/) },
  ]);
});

/** A program that gives this answer to every connection. */
async function listener(answer: string) {
  const server = createTcpServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.end(answer));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // SAFETY: a server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      if (!server.listening) return;
      server.close();
      await once(server, "close");
    },
  };
}

/** A failed sensor of the live worker w1. */
async function failingSensor(database: Queryable): Promise<Id> {
  const instance = "00000000-0000-4000-8000-000000000001";
  const workerId = await insertWorker(database, { name: "w1", instance, leaseSeconds: 600 });
  await insertTrigger(database, "my.tick");
  await insertRule(database, { ref: "my.rule", triggerRef: "my.tick" });
  const sensorId = await insertSensor(database, {
    ref: "my.tick",
    triggerRef: "my.tick",
    entrypoint: "here.py",
  });
  await query(
    database,
    `insert into sensor_assignment (sensor, worker, instance, generation, lease_expires_at, claimed_at)
     values ($1, $2, $3, 1, clock_timestamp() + interval '10 minutes', clock_timestamp())`,
    [sensorId, workerId, instance],
  );
  await query(
    database,
    `insert into sensor_process (sensor, worker, status, failures, exit_code, reason, stderr_excerpt, started_at,
                                 next_restart_at, updated)
     values ($1, $2, 'failed', 4, 3, 'it exited with code 3', E'Traceback\\nValueError: no',
             clock_timestamp() - interval '3 minutes', clock_timestamp() + interval '5 minutes', clock_timestamp())`,
    [sensorId, workerId],
  );
  return sensorId;
}

/** A server that answers like an agent's API. */
/** The API of an agent whose metrics are what a test makes of them. */
async function agentWith(sources: Partial<GaugeSources> = {}) {
  const metrics = createMetrics({ version: "1.2.3", withProcess: false });
  metrics.observe({ ...idleSources, ...sources });
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics,
    logger: silentLogger,
  });
  return { metrics, address: api.address, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]() };
}

async function agentSaying(health: object) {
  const server = createServer((_, response) => response.end(JSON.stringify(health)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // SAFETY: a server that listens on TCP has an address of this form.
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

function madeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "attune-doctor-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/**
 * Runs doctor in a new directory with Python, without Node, and with one pack.
 *
 * @param brokenEnvironments folders in runtime_envs_dir whose interpreter is a dangling link
 */
async function examine(
  settings: Record<string, string>,
  format: "text" | "json" = "text",
  brokenEnvironments: readonly string[] = [],
): Promise<{ exitCode: number; report: string; directory: string }> {
  const directory = madeDirectory();
  const scripts = join(directory, "packs/my/sensors");
  mkdirSync(scripts, { recursive: true });
  writeFileSync(join(scripts, "here.py"), "print('{}')\n");
  chmodSync(join(scripts, "here.py"), 0o644);

  for (const folder of brokenEnvironments) {
    mkdirSync(join(directory, "envs", folder, "bin"), { recursive: true });
    symlinkSync("/elsewhere/python3", join(directory, "envs", folder, "bin/python3"));
  }

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
      ATTUNE__RUNTIME_ENVS_DIR: join(directory, "envs"),
      ATTUNE__LOGS_DIR: join(directory, "logs"),
      ATTUNE__API__PORT: "0", // The machine may be running an agent.
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
