/**
 * Goal: whatever moment the connections to the database are cut at, what is announced is what is stored, once.
 * Method: a sensor counts as fast as it can while all connections of the agent are reset, again and again, at random
 * moments. In the end rows and messages are compared both ways: no row without its message, no message without its row.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { ready, startAgent } from "../support/agent-process.ts";
import { startFaultProxy } from "../support/fault-proxy.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { seededRandom } from "../support/seeded-random.ts";
import { startCounting } from "../support/counting.ts";

const cuts = Number(process.env["ATTUNE_TEST_CUTS"] ?? 25);

test(
  `${cuts} cuts leave every row its message and every message its row`,
  { timeout: 240_000 + cuts * 10_000 },
  async () => {
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const { hostname, port } = new URL(fresh.url);
    await using proxy = await startFaultProxy({ targetHost: hostname, targetPort: Number(port) });
    const through = new URL(fresh.url);
    through.hostname = "127.0.0.1";
    through.port = `${proxy.port}`;
    await using counting = await startCounting({
      database: fresh.database,
      databaseUrl: through.href,
      brokerUrl: vhost.url,
      pace: { burst: 50, pauseMs: 5 },
    });
    const folder = await counting.folder("cut");
    await using agent = await startAgent(folder);
    await ready(agent, folder);
    const random = seededRandom();

    for (let cut = 0; cut < cuts; cut += 1) {
      await counting.progress();
      // The moment itself is the random choice: this is no wait for something to happen.
      await sleep(random.between(0, 100));
      await agent.assertRunning();
      proxy.cut();
    }

    await counting.progress();
    await counting.finish();
    expect(await counting.lastNumber()).toBeGreaterThan(cuts);
    const counted = await counting.expectNothingLostOrDoubled();
    process.stdout.write(`after ${cuts} cuts: ${JSON.stringify(counted)}\n`);
  },
);
