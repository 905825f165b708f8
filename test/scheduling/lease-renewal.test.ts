/** When leases are renewed and judged, by a fake clock and scripted answers. */
import { expect, onTestFinished, test } from "vitest";
import type { Database } from "../../src/database/database.ts";
import { LeaseRenewal } from "../../src/scheduling/lease-renewal.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { fakeClock } from "../support/fake-clock.ts";

const renewalIntervalMs = 10_000;
const leaseMs = 30_000;

async function start() {
  const clock = fakeClock();
  const answer = { isFailing: false, isRenewed: true, firstEndMs: null as number | null, afterMs: 0 };
  const askedAtMs: number[] = [];
  const query = async (): Promise<{ rows: object[] }> => {
    askedAtMs.push(clock.monotonicMs());
    if (answer.isFailing) throw new Error("no answer");
    await clock.sleep(answer.afterMs);
    const row = {
      is_renewed: answer.isRenewed,
      assignments: "0",
      rank: 0,
      placer: null,
      others: "",
      first_end_ms: answer.firstEndMs,
      database_ms: clock.monotonicMs(),
    };
    return { rows: [row] };
  };
  // Only the reserved connection answers: the others may all be waiting for something slow.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it is asked for rows, and nothing else
  const database = { reserved: { query } } as unknown as Database;
  const renewal = new LeaseRenewal(
    {
      database,
      workerId: "1",
      instance: "i",
      leaseSeconds: leaseMs / 1_000,
      renewalIntervalMs,
      onSuperseded: () => {},
      logger: silentLogger,
      clock,
      random: () => 0,
    },
    { assignmentCount: () => 0, onRenewed: () => {}, onSuperseded: () => {} },
  );
  const stop = new AbortController();
  const run = renewal.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await run;
  });
  await clock.advance(0);
  return { renewal, clock, answer, askedAtMs };
}

test("leases are renewed at every interval, and the end of another worker's is looked for when it comes", async () => {
  const { clock, answer, askedAtMs } = await start();
  await clock.advance(renewalIntervalMs);
  answer.firstEndMs = 2_000;
  await clock.advance(renewalIntervalMs);
  answer.firstEndMs = null;
  await clock.advance(4_000);

  expect(askedAtMs).toEqual([0, 10_000, 20_000, 22_020]);
});

test("an answer that did not renew the lease is asked for again soon, and does not count", async () => {
  const { renewal, clock, answer, askedAtMs } = await start();
  await clock.advance(renewalIntervalMs - 1);
  answer.isRenewed = false;
  await clock.advance(1_001);
  expect(askedAtMs.length).toBeGreaterThan(5);
  expect(renewal.health().state).toBe("up");

  await clock.advance(leaseMs);

  expect(renewal.health().state).toBe("down");
});

// Goal: whoever comes back first after a common outage takes nothing from workers that are as alive.
test("after an outage as long as a lease, expired ones are left to their holders for one lease duration", async () => {
  const { renewal, clock, answer } = await start();
  expect(renewal.sparesLapsed()).toBe(false);
  answer.isFailing = true;
  await clock.advance(2 * leaseMs);
  // Also before the database has answered a renewal: a look may be answered first.
  expect(renewal.sparesLapsed()).toBe(true);

  answer.isFailing = false;
  await clock.advance(renewalIntervalMs);
  await clock.advance(leaseMs - renewalIntervalMs - 1);
  expect(renewal.health().state).toBe("up");
  expect(renewal.sparesLapsed()).toBe(true);
  await clock.advance(renewalIntervalMs);
  expect(renewal.sparesLapsed()).toBe(false);
});

test("an outage too short to end a lease that was renewed in time changes nothing", async () => {
  const { renewal, clock, answer } = await start();
  answer.isFailing = true;
  await clock.advance(leaseMs - 2 * renewalIntervalMs - 1);
  answer.isFailing = false;
  await clock.advance(renewalIntervalMs);

  expect(renewal.sparesLapsed()).toBe(false);
});

test("a slow answer is no outage, also after one that is over", async () => {
  const { renewal, clock, answer } = await start();
  answer.isFailing = true;
  await clock.advance(renewalIntervalMs);
  answer.isFailing = false;
  await clock.advance(2 * leaseMs);
  expect(renewal.sparesLapsed()).toBe(false);

  answer.afterMs = 5_000;
  await clock.advance(renewalIntervalMs + 2_000);

  expect(renewal.sparesLapsed()).toBe(false);
});
