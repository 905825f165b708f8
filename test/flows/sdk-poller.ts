/** A polling sensor written with the platform's Python SDK, unmodified, on a database and a broker of its own. */
import { mkdir, readFile, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import type { Id } from "../../src/model/identifiers.ts";
import { agentFolder, type AgentFolder } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

export const soon = { timeout: 30_000, interval: 50 };

export interface PolledEvent {
  readonly id: Id;
  readonly rule_ref: string;
  readonly pid: number;
  readonly n: number;
  readonly interval: number;
}

export async function sdkPoller(sdkDirectory: string, sensor: Readonly<Record<string, unknown>> = {}) {
  const fresh = await freshDatabase();
  const vhost = await freshVhost();
  const { database } = fresh;
  await insertTrigger(database, "sdk.polled");
  await insertTrigger(database, "sdk.foreign");
  await insertSensor(database, {
    ref: "sdk.poller",
    triggerRef: "sdk.polled",
    protocol: "standalone",
    entrypoint: "poller.py",
  });
  const folders: AgentFolder[] = [];

  const events = async (ruleRef?: string): Promise<readonly PolledEvent[]> =>
    query<PolledEvent>(
      database,
      `select event.id::text, enforcement.rule_ref, (event.payload->>'pid')::int as pid, (event.payload->>'n')::int as n,
              (event.payload->>'interval')::float as interval
         from event join enforcement on enforcement.event = event.id
        where enforcement.rule_ref = coalesce($1, enforcement.rule_ref)
        order by event.id`,
      [ruleRef ?? null],
    );

  return {
    database,
    events,

    async folder(workerName: string, own: Readonly<Record<string, unknown>> = {}): Promise<AgentFolder> {
      const folder = await agentFolder({
        databaseUrl: fresh.url,
        brokerUrl: vhost.url,
        packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
        workerName,
        sensor: { share_broker: true, lease_duration: 3, lease_renewal_interval: 1, ...sensor, ...own },
      });
      await mkdir(join(folder.path, "runtime_envs/sdk"), { recursive: true });
      await symlink(sdkDirectory, join(folder.path, "runtime_envs/sdk/python"));
      folders.push(folder);
      return folder;
    },

    async addRule(ref: string, params: Readonly<Record<string, unknown>>): Promise<void> {
      await insertRule(database, { ref, triggerRef: "sdk.polled", enabled: false });
      await query(database, "update rule set trigger_params = $2, enabled = true where ref = $1", [
        ref,
        JSON.stringify(params),
      ]);
    },

    /** Waits until the rule has got this many events more than now. */
    async more(ruleRef: string, count = 2): Promise<void> {
      const before = (await events(ruleRef)).length;
      await expect
        .poll(async () => (await events(ruleRef)).length, soon)
        .toBeGreaterThanOrEqual(before + count);
    },

    async owner(): Promise<string | undefined> {
      const [row] = await query<{ name: string }>(
        database,
        "select worker.name from sensor_assignment join worker on worker.id = sensor_assignment.worker",
      );
      return row?.name;
    },

    async process(): Promise<{
      status: string;
      pid: number | null;
      reason: string | null;
      failures: number;
    }> {
      const [row] = await query<{
        status: string;
        pid: number | null;
        reason: string | null;
        failures: number;
      }>(database, "select status, pid, reason, failures from sensor_process");
      return row ?? { status: "none", pid: null, reason: null, failures: 0 };
    },

    log: ({ path }: AgentFolder): Promise<string> =>
      readFile(join(path, "logs/sdk.poller.log"), "utf8").catch(() => ""),

    /** What the program was told is stored is there once, and every event is aimed at one rule. */
    async expectNothingLostOrDoubled(): Promise<void> {
      // Before the rows: the program may still run, and what it is told in between must be among them.
      const acknowledged = await Promise.all(
        folders.map(({ path }) =>
          readFile(join(path, "data/sensors/sdk.poller/acknowledged"), "utf8").catch(() => ""),
        ),
      );
      // An event that arrives after its rule was disabled is stored, and matches nothing.
      const stored = await query<{ id: Id; key: string; enforcements: number }>(
        database,
        `select id::text, concat_ws(' ', payload->>'pid', rule_ref, payload->>'n') as key,
                (select count(*)::int from enforcement where enforcement.event = event.id) as enforcements
           from event
          where trigger_ref = 'sdk.polled'`,
      );
      const byKey = new Map(stored.map(({ id, key }) => [key, id]));
      expect(byKey.size).toBe(stored.length);
      expect(stored.filter(({ enforcements }) => enforcements > 1)).toEqual([]);
      const lines = acknowledged.flatMap((text) => text.split("\n").filter((line) => line !== ""));
      expect(lines.length).toBeGreaterThan(0);
      // What the SDK gave up on is not acknowledged.
      for (const line of lines.filter((each) => !each.startsWith("None "))) {
        const [id, ...key] = line.split(" ");
        expect([line, byKey.get(key.join(" "))]).toEqual([line, id]);
      }
    },

    async [Symbol.asyncDispose]() {
      for (const folder of folders) await folder[Symbol.asyncDispose]();
      await vhost[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
    },
  };
}
