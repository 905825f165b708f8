/**
 * For the sizing of an installation, without limits: events a second that one agent stores by rows of a batch and by payload
 * size, against its usual settings, and messages a second that the broker confirms by kind of queue, against a classic queue.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "amqplib";
import { freshDatabase } from "../../support/postgres.ts";
import { insertRule, insertTrigger } from "../../support/platform-rows.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { atLeast } from "../rig/at-most.ts";
import { floorPayload } from "../rig/floor-payload.ts";
import type { Finding } from "../rig/report.ts";

const seconds = 3;
const startMs = 1_500;
const inFlightMax = 1_000;
const usual = { rows: 500, moreBytes: 0 };

export async function measureCurves(): Promise<Finding[]> {
  const floor = await stored(usual);
  const findings: Finding[] = [];
  for (const rows of [1, 10, 100, 2_000]) {
    findings.push(atLeast(`stored, batches of ${rows}`, await stored({ ...usual, rows }), floor, 0, "/s"));
  }
  for (const kilobytes of [4, 16, 64]) {
    const size = { ...usual, moreBytes: (kilobytes - 1) * 1_024 };
    findings.push(atLeast(`stored, payloads of ${kilobytes} KiB`, await stored(size), floor, 0, "/s"));
  }
  const classic = await confirmed("classic");
  for (const kind of ["quorum", "stream"] as const) {
    findings.push(
      atLeast(`confirmed, ${kind} queue against classic`, await confirmed(kind), classic, 0, "/s"),
    );
  }
  return findings;
}

async function stored({ rows, moreBytes }: typeof usual): Promise<number> {
  await using fresh = await freshDatabase();
  await insertTrigger(fresh.database, "bench.line");
  const conditions = [{ field: "isTenth", operator: "equals", value: true }];
  await insertRule(fresh.database, { ref: "bench.tenth", triggerRef: "bench.line", conditions });
  const program = join(import.meta.dirname, "../rig/pipeline-floor.ts");
  const args = [program, fresh.url, seconds, Date.now() + startMs, "one", rows, moreBytes].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const result: { count: number; seconds: number } = JSON.parse(stdout);
  return result.count / result.seconds;
}

/** Messages as large as those of events, persistent. */
async function confirmed(kind: "classic" | "quorum" | "stream"): Promise<number> {
  await using vhost = await freshVhost();
  const connection = await connect(vhost.url);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue("curve", { durable: true, arguments: { "x-queue-type": kind } });
  const startedAtMs = performance.now();
  let [count, inFlight] = [0, 0];
  let resume = (): void => {};
  while (performance.now() - startedAtMs < seconds * 1_000) {
    inFlight += 1;
    channel.sendToQueue("curve", Buffer.from(floorPayload(count)), { persistent: true }, () => {
      inFlight -= 1;
      if (inFlight <= inFlightMax / 2) resume();
    });
    count += 1;
    if (inFlight >= inFlightMax) await new Promise<void>((resolve) => (resume = resolve));
  }
  await channel.waitForConfirms();
  const perSecond = count / ((performance.now() - startedAtMs) / 1_000);
  await connection.close();
  return perSecond;
}
