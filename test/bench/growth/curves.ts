/**
 * For the sizing of an installation, without limits: events a second that one agent stores by rows of a batch, by payload size
 * and by number of rules, against its usual settings with one rule, and messages a second that the broker confirms by kind of
 * queue, against a classic queue.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { connect } from "amqplib";
import type { Queryable } from "../../../src/database/database.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { insertRule, insertTrigger, query } from "../../support/platform-rows.ts";
import { freshVhost } from "../../support/rabbitmq.ts";
import { atLeast } from "../rig/at-most.ts";
import { floorPayload } from "../rig/floor-payload.ts";
import type { Finding } from "../rig/report.ts";
import { insertRules } from "./bench-rules.ts";

const seconds = 3;
/** Until V8 has compiled what an event needs; with the most rules, half of it is their compilation. */
const startMs = 8_000;
const inFlightMax = 1_000;
const usual = { rows: 500, moreBytes: 0, otherRules: 0, ownRules: 0 };

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
  for (const otherRules of [1_000, 10_000, 100_000]) {
    const rate = await stored({ ...usual, otherRules });
    findings.push(atLeast(`stored, ${otherRules} rules on other triggers`, rate, floor, 0, "/s"));
  }
  for (const ownRules of [1_000, 10_000]) {
    const rate = await stored({ ...usual, ownRules });
    findings.push(atLeast(`stored, ${ownRules} rules on the events' trigger`, rate, floor, 0, "/s"));
  }
  const classic = await confirmed("classic");
  for (const kind of ["quorum", "stream"] as const) {
    findings.push(
      atLeast(`confirmed, ${kind} queue against classic`, await confirmed(kind), classic, 0, "/s"),
    );
  }
  return findings;
}

async function stored({ rows, moreBytes, otherRules, ownRules }: typeof usual): Promise<number> {
  await using fresh = await freshDatabase();
  await insertTrigger(fresh.database, "bench.line");
  const conditions = [{ field: "isTenth", operator: "equals", value: true }];
  await insertRule(fresh.database, { ref: "bench.tenth", triggerRef: "bench.line", conditions });
  if (otherRules > 0) await insertRules(fresh.database, otherRules);
  if (ownRules > 0) await insertOwnRules(fresh.database, ownRules);
  const program = join(import.meta.dirname, "../rig/pipeline-floor.ts");
  const args = [program, fresh.url, seconds, Date.now() + startMs, "one", rows, moreBytes].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const result: { count: number; seconds: number } = JSON.parse(stdout);
  return result.count / result.seconds;
}

/** Each looks for a value of a field that all events have; no event has that value. */
async function insertOwnRules(database: Queryable, count: number): Promise<void> {
  await query(
    database,
    `insert into rule (ref, action_ref, trigger, trigger_ref, conditions)
     select 'bench.own' || n, 'core.noop', trigger.id, trigger.ref,
            jsonb_build_array(jsonb_build_object('field', 'sequence', 'operator', 'equals', 'value', -n))
       from generate_series(1, $1::int) as n
       join trigger
         on trigger.ref = 'bench.line'`,
    [count],
  );
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
