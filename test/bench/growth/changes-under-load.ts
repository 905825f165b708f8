/**
 * Events stored without changes, and while a rule on their own trigger changes ten times a second: of 1,000 a second, and as fast
 * as possible.
 */
import { setTimeout as delay } from "node:timers/promises";
import { openRuleSource } from "../../../src/rules/rule-source.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import { systemClock } from "../../../src/time/clock.ts";
import { openRig, type RunningPipeline, type PipelineRig } from "../../events/pipeline-rig.ts";
import { insertRule } from "../../support/platform-rows.ts";
import { atLeast } from "../rig/at-most.ts";
import { median, type Finding } from "../rig/report.ts";
import { insertRules } from "./bench-rules.ts";

const changesPerSecond = 10;
const offeredPerSecond = 1_000;
const inFlight = 400;
const seconds = 4;
const rounds = 3;

export async function measureChangesUnderLoad(ruleCount: number): Promise<Finding[]> {
  await using rig = await openRig();
  await insertRules(rig.database, ruleCount);
  const conditions = [{ field: "n", operator: "less_than", value: 0 }];
  const changing = await insertRule(rig.database, {
    ref: "demo.changing",
    triggerRef: "demo.tick",
    conditions,
  });
  const rules = await openRuleSource({
    database: rig.database,
    intervalMs: 120_000,
    logger: silentLogger,
    clock: systemClock,
    random: Math.random,
  });
  const ending = new AbortController();
  const run = rules.run(ending.signal);
  const { database } = rig;
  const listening = await database.listen(`${database.schema}_change`, () => rules.wake());
  await using running = await rig.start({ rules });
  const writer = await rig.fresh.connect();

  const change = async (over: AbortSignal): Promise<void> => {
    for (let n = 0; !over.aborted; n += 1) {
      await writer.query(
        "update attune.rule set action_params = jsonb_build_object('n', $1::int) where id = $2",
        [n, changing],
      );
      await delay(1_000 / changesPerSecond);
    }
  };
  const compare = async (
    measure: () => Promise<number>,
  ): Promise<{ calm: number; whileChanging: number }> => {
    const rates: { readonly calm: number; readonly whileChanging: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const calm = await measure();
      const over = new AbortController();
      const changes = change(over.signal);
      const whileChanging = await measure();
      over.abort();
      await changes;
      rates.push({ calm, whileChanging });
    }
    return {
      calm: median(rates.map((rate) => rate.calm)),
      whileChanging: median(rates.map((rate) => rate.whileChanging)),
    };
  };
  await flood(rig, running);
  const offered = await compare(() => offer(rig, running));
  const flooded = await compare(() => flood(rig, running));
  ending.abort();
  await run;
  await listening[Symbol.asyncDispose]();
  const what = `ten changes a second, ${ruleCount} rules`;
  return [
    atLeast(`${what}: of ${offeredPerSecond} events/s`, offered.whileChanging, offered.calm, 0.9, "/s"),
    atLeast(`${what}: as fast as possible`, flooded.whileChanging, flooded.calm, 0, "/s"),
  ];
}

/** Events stored in time of a thousand a second. */
async function offer(rig: PipelineRig, { pipeline, sent }: RunningPipeline): Promise<number> {
  const startedAtMs = performance.now();
  let [given, stored] = [0, 0];
  const accept = async (): Promise<void> => {
    await pipeline.accept(rig.tick());
    stored += 1;
  };
  const accepted: Promise<void>[] = [];
  while (performance.now() - startedAtMs < seconds * 1_000) {
    const due = ((performance.now() - startedAtMs) * offeredPerSecond) / 1_000;
    for (; given < due; given += 1) accepted.push(accept());
    await delay(5);
  }
  const storedInTime = stored;
  await Promise.all(accepted);
  sent.length = 0;
  return storedInTime / seconds;
}

async function flood(rig: PipelineRig, { pipeline, sent }: RunningPipeline): Promise<number> {
  const endsAtMs = performance.now() + seconds * 1_000;
  let count = 0;
  const emit = async (): Promise<void> => {
    while (performance.now() < endsAtMs) {
      await pipeline.accept(rig.tick());
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, emit));
  sent.length = 0;
  return count / seconds;
}
