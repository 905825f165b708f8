/**
 * What 10,000 cron timers cost when all of them have to be looked at: their plans are made and their next slots found, in
 * slices between which everything else gets a turn. `node test/bench/schedules.ts`
 *
 * The floor is croner alone, which finds the same times in the zones, without the rule for changes of the clock.
 */
import { setImmediate as turn } from "node:timers/promises";
import { Cron } from "croner";
import { decodeTimer, type TimerPlan } from "../../src/model/schedules/timer-plan.ts";

const ruleCount = 10_000;
const rulesPerSlice = 10;
const processorMsMax = 1_000;
const sliceMsMax = 5;
const nowMs = Date.parse("2026-11-28T12:00:00Z");

const zones = Intl.supportedValuesOf("timeZone").filter((_, index) => index % 10 === 0);
const rules = Array.from({ length: ruleCount }, (_, index) => ({
  // All of them differ, as far as 1,440 times of a day, seven weekdays and some months can.
  expression: `${index % 60} ${Math.floor(index / 60) % 24} * ${1 + (index % 12)},${1 + ((index * 5) % 12)} ${index % 7}`,
  timezone: zones[index % zones.length] ?? "UTC",
}));
const oneMinute = rules.map(({ timezone }) => ({ expression: "30 2 * * *", timezone }));

interface Measured {
  readonly processorMs: number;
  readonly longestSliceMs: number;
}

async function measure(count: number, work: (index: number) => void): Promise<Measured> {
  const before = process.cpuUsage();
  let longestSliceMs = 0;
  for (let from = 0; from < count; from += rulesPerSlice) {
    const startedAt = process.threadCpuUsage();
    for (let index = from; index < Math.min(count, from + rulesPerSlice); index += 1) work(index);
    const { user, system } = process.threadCpuUsage(startedAt);
    longestSliceMs = Math.max(longestSliceMs, (user + system) / 1_000);
    await turn();
  }
  const { user, system } = process.cpuUsage(before);
  return { processorMs: (user + system) / 1_000, longestSliceMs };
}

function planOf(params: (typeof rules)[number], index: number): TimerPlan {
  const decoded = decodeTimer("core.crontimer", params, {
    id: `${index}`,
    ref: `p.rule_${index}`,
    createdMs: nowMs,
  });
  if (decoded.kind === "invalid") throw new Error(decoded.problem);
  return decoded.value;
}

// The compiler has seen the code before, as in an agent that has run for a minute.
await measure(1_000, (index) =>
  planOf({ expression: `0 0 ${1 + (index % 28)} * *`, timezone: "UTC" }, index).schedule.next(nowMs),
);

const floor = await measure(ruleCount, (index) => {
  const rule = rules[index];
  if (rule !== undefined)
    new Cron(rule.expression, { timezone: rule.timezone, paused: true }).nextRun(new Date(nowMs));
});
const plans: TimerPlan[] = [];
const first = await measure(ruleCount, (index) => {
  const rule = rules[index];
  if (rule === undefined) return;
  const plan = planOf(rule, index);
  plan.schedule.next(nowMs);
  plans.push(plan);
});
const again = await measure(ruleCount, (index) => {
  const rule = rules[index];
  if (rule !== undefined) planOf(rule, index).schedule.next(nowMs);
});
const later = await measure(ruleCount, (index) => plans[index]?.schedule.next(nowMs + 40 * 86_400_000));
const shared = await measure(ruleCount, (index) => {
  const rule = oneMinute[index];
  if (rule !== undefined) planOf(rule, index).schedule.next(nowMs);
});

const row = (what: string, { processorMs, longestSliceMs }: Measured): string =>
  `${what.padEnd(42)}${processorMs.toFixed(0).padStart(6)} ms, ${(processorMs / floor.processorMs).toFixed(2)} of the floor, longest slice ${longestSliceMs.toFixed(1)} ms\n`;
process.stdout.write(`cron rules                                ${ruleCount}, in ${zones.length} zones\n`);
process.stdout.write(row("floor: croner in the zones", floor));
process.stdout.write(row("plans and next slots, all new", first));
process.stdout.write(row("plans and next slots, after a change", again));
process.stdout.write(row("next slots at another time", later));
process.stdout.write(row("plans and next slots, one expression", shared));
const measured = [first, again, later, shared];
process.stdout.write(
  `required                                  at most ${processorMsMax} ms, slices of at most ${sliceMsMax} ms\n`,
);
if (
  measured.some(
    ({ processorMs, longestSliceMs }) => processorMs > processorMsMax || longestSliceMs > sliceMsMax,
  )
)
  process.exitCode = 1;
