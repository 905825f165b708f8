/**
 * Real clients: tokens of polling sensors of the platform's Python SDK, as in python-sdk.test.ts. In a file of its own, which runs
 * beside that one, since it waits for tokens to run out.
 */
import { describe, expect, test } from "vitest";
import { sdkEnvironment } from "../../scripts/testing/python-sdk.ts";
import { ready, startAgent } from "../support/agent-process.ts";
import { sdkPoller, soon } from "./sdk-poller.ts";

const limit = { timeout: 240_000 };
/** Tokens of 75 s are replaced after 15, and programs looked at after 45. */
const late = { timeout: 90_000, interval: 500 };

describe.each([
  { version: "0.1.0", renewal: "is restarted" },
  { version: "0.5.4", renewal: "goes on" },
])("a polling sensor of attune-sdk $version", ({ version, renewal }) => {
  test(`${renewal} when its token is replaced, and moves to another worker`, limit, async ({ skip }) => {
    const sdk = await sdkEnvironment(version);
    if (sdk.kind === "unavailable") return skip(sdk.reason);
    await using poller = await sdkPoller(sdk.directory, { token_ttl: 75 });
    await poller.addRule("sdk.only", { interval: 0.5 });
    const folders = [await poller.folder("one"), await poller.folder("two")] as const;
    await using one = await startAgent(folders[0]);
    await ready(one, folders[0]);
    await poller.more("sdk.only");
    const { pid } = await poller.process();

    if (renewal === "goes on") {
      const rotated = "Sensor API token rotated, rebuilding HTTP client";
      await expect
        .poll(async () => (await poller.log(folders[0])).split(rotated).length - 1, late)
        .toBeGreaterThanOrEqual(2);
      expect((await poller.process()).pid).toBe(pid);
    } else {
      await expect.poll(async () => (await poller.process()).pid !== pid, late).toBe(true);
      // The process is gone a moment before the agent has judged why.
      await expect
        .poll(() => poller.log(folders[0]), soon)
        .toContain("restarted: its token is about to expire");
      await expect.poll(async () => (await poller.process()).pid, soon).not.toBeNull();
    }
    await poller.more("sdk.only");
    expect(await poller.process()).toMatchObject({ status: "running", failures: 0 });
    expect(await poller.log(folders[0])).not.toContain("401 Unauthorized");

    await using two = await startAgent(folders[1]);
    await ready(two, folders[1]);
    one.kill("SIGTERM");
    expect(await one.ended).toBe(0);
    await expect.poll(() => poller.owner(), soon).toBe("two");
    await poller.more("sdk.only");
    await poller.expectNothingLostOrDoubled();
  });
});
