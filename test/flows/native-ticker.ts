/** The sensor in test/sdk/native/ under a real agent, on a database and a broker of its own, with one rule: native.slow. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger, query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";

export const soon = { timeout: 60_000, interval: 50 };

interface Tick {
  readonly count: number;
  readonly seconds: number;
}

interface TickerOptions {
  /** Of the sensor. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Of the rule native.slow. */
  readonly seconds?: number;
  /** Of the agent. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

export async function nativeTicker({
  config = {},
  seconds: slowSeconds = 0.6,
  settings = {},
}: TickerOptions) {
  await using held = new AsyncDisposableStack();
  const fresh = held.use(await freshDatabase());
  const vhost = held.use(await freshVhost());
  const { database } = fresh;
  await insertTrigger(database, "native.tick");
  await insertTrigger(database, "native.foreign");
  await insertSensor(database, {
    ref: "native.ticker",
    triggerRef: "native.tick",
    runtimeRef: "core.sensor.native",
    entrypoint: "ticker.pl",
    protocol: "standalone",
  });
  await query(database, "update sensor set config = $1", [JSON.stringify(config)]);
  const addRule = async (ref: string, seconds: number) => {
    const id = await insertRule(database, { ref, triggerRef: "native.tick", enabled: false });
    await query(database, "update rule set trigger_params = $2, enabled = true where ref = $1", [
      ref,
      JSON.stringify({ seconds }),
    ]);
    return id;
  };
  await addRule("native.slow", slowSeconds);
  const folder = held.use(
    await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "test/sdk"),
      workerName: "native",
      sensor: { restart_delay: 0.2, ...settings },
    }),
  );
  const agent = held.use(await startAgent(folder, { environment: { ATTUNE_SENSOR_RUNTIMES: "native" } }));
  await ready(agent, folder);

  const ticksOf = (ruleId: string): Promise<readonly Tick[]> =>
    query<Tick>(
      database,
      `select (payload->>'count')::int as count, (payload->>'seconds')::float as seconds
         from event
        where trigger_ref = 'native.tick' and payload->>'rule' = $1
        order by id`,
      [ruleId],
    );
  const ticks = async (ruleRef: string): Promise<readonly Tick[]> => {
    const [rule] = await query<{ id: string }>(database, "select id::text from rule where ref = $1", [
      ruleRef,
    ]);
    return rule === undefined ? [] : ticksOf(rule.id);
  };
  const rest = held.move();
  return {
    database,
    folder,
    addRule,
    ticks,
    ticksOf,

    /** The rule's intervals, in the order in which they came. */
    intervals: async (ruleRef: string): Promise<readonly number[]> => [
      ...new Set((await ticks(ruleRef)).map(({ seconds }) => seconds)),
    ],

    /** Waits until the rule has this many ticks more than now. */
    async more(ruleRef: string, count = 2): Promise<void> {
      const before = (await ticks(ruleRef)).length;
      await expect
        .poll(async () => (await ticks(ruleRef)).length, soon)
        .toBeGreaterThanOrEqual(before + count);
    },

    async status(): Promise<string | undefined> {
      const [row] = await query<{ status: string }>(database, "select status from sensor_process");
      return row?.status;
    },

    /** The running process, once there is one. */
    process: (): Promise<{ pid: number; failures: number }> =>
      vi.waitFor(async () => {
        const [row] = await query<{ pid: number; failures: number }>(
          database,
          "select pid, failures from sensor_process where status = 'running' and pid is not null",
        );
        if (row === undefined) throw new Error("the sensor does not run");
        return row;
      }, soon),

    log: (): Promise<string> => readFile(join(folder.path, "logs/native.ticker.log"), "utf8").catch(() => ""),

    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}
