/**
 * Real clients: polling sensors of the platform's Python SDK, from its broker era (0.1.0) and its WebSocket era (0.5.4).
 * Without a package registry there is no SDK; the tests are then skipped, and say so.
 */
import { describe, expect, test } from "vitest";
import { sdkEnvironment } from "../../scripts/testing/python-sdk.ts";
import { isRunning } from "../../scripts/services/is-running.ts";
import { ready, startAgent } from "../support/agent-process.ts";
import { tokenFor } from "../support/tokens.ts";
import { query } from "../support/platform-rows.ts";
import { sdkPoller, soon } from "./sdk-poller.ts";

const limit = { timeout: 240_000 };

describe.each(["0.1.0", "0.5.4"])("a polling sensor of attune-sdk %s", (version) => {
  test(
    "follows its rules one by one, is restarted after a crash and ended when stopped",
    limit,
    async ({ skip }) => {
      const sdk = await sdkEnvironment(version);
      if (sdk.kind === "unavailable") return skip(sdk.reason);
      await using poller = await sdkPoller(sdk.directory);
      const { database } = poller;
      await poller.addRule("sdk.slow", { interval: 0.9 });
      const folder = await poller.folder("one");
      await using agent = await startAgent(folder);
      await ready(agent, folder);

      // A rule that was enabled before the sensor started, and one enabled after.
      await poller.more("sdk.slow");
      await poller.addRule("sdk.fast", { interval: 0.3 });
      await poller.more("sdk.fast", 5);
      const intervals = new Set(
        (await poller.events()).map(({ rule_ref, interval }) => `${rule_ref} ${interval}`),
      );
      expect(intervals).toEqual(new Set(["sdk.slow 0.9", "sdk.fast 0.3"]));
      const { pid } = await poller.process();

      // One is disabled; the other goes on without a gap.
      await query(database, "update rule set enabled = false where ref = 'sdk.fast'");
      await expect.poll(async () => quietFor(poller, "sdk.fast"), soon).toBe(true);
      const slow = (await poller.events("sdk.slow")).map(({ n }) => n);
      expect(slow).toEqual(slow.map((_, index) => index + 1));

      // New params reach it, and the same process.
      await query(
        database,
        `update rule set enabled = true, trigger_params = '{"interval": 0.2}' where ref = 'sdk.fast'`,
      );
      await expect
        .poll(async () => (await poller.events("sdk.fast")).some(({ interval }) => interval === 0.2), soon)
        .toBe(true);
      await query(database, `update rule set trigger_params = '{"interval": 0.25}' where ref = 'sdk.fast'`);
      await expect
        .poll(async () => (await poller.events("sdk.fast")).some(({ interval }) => interval === 0.25), soon)
        .toBe(true);
      expect((await poller.process()).pid).toBe(pid);

      // A trigger that is not its own is refused.
      await query(
        database,
        `update rule set trigger_params = '{"interval": 0.25, "foreign": true}' where ref = 'sdk.fast'`,
      );
      await expect.poll(() => poller.log(folder), soon).toContain("foreign trigger: None");
      expect(await poller.log(folder)).toContain("403 Forbidden");
      expect(await query(database, "select from event where trigger_ref = 'sdk.foreign'")).toEqual([]);

      // A deleted rule is no longer polled.
      await query(database, "delete from rule where ref = 'sdk.fast'");
      await expect.poll(async () => quietFor(poller, "sdk.fast"), soon).toBe(true);

      // Killed: back with its rules.
      process.kill(pid ?? 0, "SIGKILL");
      await expect
        .poll(async () => (await poller.events("sdk.slow")).some((event) => event.pid !== pid), soon)
        .toBe(true);
      // Rows follow what they report on.
      await expect
        .poll(() => poller.process(), soon)
        .toMatchObject({ status: "running", failures: 1, pid: expect.any(Number) });
      const successor = await poller.process();

      // No rule is left: it is stopped, which is no failure.
      await query(database, "update rule set enabled = false");
      await expect.poll(() => poller.process(), soon).toMatchObject({ status: "stopped" });
      expect(isRunning(successor.pid ?? 0)).toBe(false);
      await poller.expectNothingLostOrDoubled();
    },
  );
});

describe.each(["0.1.0", "0.5.4"])("a polling sensor of attune-sdk %s", (version) => {
  test("uses another platform's API, which may be restarted under it", limit, async ({ skip }) => {
    const sdk = await sdkEnvironment(version);
    if (sdk.kind === "unavailable") return skip(sdk.reason);
    await using poller = await sdkPoller(sdk.directory);
    await poller.addRule("sdk.only", { interval: 0.5 });
    const platform = await poller.folder("platform", { enabled: false });
    const runner = await poller.folder("runner");
    await using running = await startAgent(runner, {
      environment: {
        ATTUNE_API_URL: platform.apiUrl,
        ATTUNE_API_TOKEN: await tokenFor("worker"),
        ATTUNE__METRICS__PORT: new URL(runner.apiUrl).port,
      },
    });
    await ready(running, runner);

    // Without the platform there is no token: visible, and no failure of the sensor.
    await expect
      .poll(() => poller.process(), soon)
      .toMatchObject({ status: "backoff", failures: 0, reason: expect.stringContaining("ECONNREFUSED") });
    {
      await using serving = await startAgent(platform);
      await ready(serving, platform);
      await poller.more("sdk.only");
    }
    const { pid } = await poller.process();
    await using _serving = await startAgent(platform);
    await poller.more("sdk.only");

    // The same process, which hears of rules from the platform that is there now.
    await poller.addRule("sdk.second", { interval: 0.4 });
    await poller.more("sdk.second");
    expect(await poller.process()).toMatchObject({ pid, status: "running", failures: 0 });
    expect((await fetch(`${runner.apiUrl}/api/v1/sensors`)).status).toBe(404);
    await poller.expectNothingLostOrDoubled();
  });
});

/** Whether the rule gets no event while the slower one gets two. */
async function quietFor(poller: Awaited<ReturnType<typeof sdkPoller>>, ruleRef: string): Promise<boolean> {
  const before = (await poller.events(ruleRef)).length;
  await poller.more("sdk.slow");
  return (await poller.events(ruleRef)).length === before;
}
