/**
 * Ten thousand interval timers of 1 to 10 s: how late they fire, whether that grows in a minute, and what the agent needs
 * until their events are stored. They start a millisecond apart: rules that one statement inserts would otherwise fire in
 * bursts, in which each waits for those before it. The floor is how late timers of this process wake while nothing else runs.
 */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { join } from "node:path";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { quantile, report } from "./rig/report.ts";

const timers = 10_000;
const seconds = Number(process.env["ATTUNE_BENCH_TIMER_SECONDS"] ?? 60);
const warmUpMs = 15_000;
const coresMax = 0.5;
const driftMsMax = 1;

const floor = await idleLatenessMs(500);
await using fresh = await freshDatabase();
const { database } = fresh;
await using folder = await agentFolder({
  databaseUrl: fresh.url,
  brokerUrl: undefined,
  packsDirectory: join(repositoryRoot, "test/bench/packs"),
  workerName: "bench",
});
await using agent = await startAgent(folder, { command: agentCommand() });
await ready(agent, folder);
await query(
  database,
  `insert into rule (ref, action_ref, trigger_ref, trigger_params)
   select 'bench.timer' || n, 'core.noop', 'core.intervaltimer',
          jsonb_build_object(
            'interval', 1 + n % 10,
            'start_at', to_char(now() at time zone 'UTC' + n * interval '1 ms', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
     from generate_series(1, $1) as n`,
  [timers],
);
await delay(warmUpMs);
const fromMs = Date.now();
const usedBefore = processorSeconds(agent.pid);
await delay(seconds * 1_000);
const cores = (processorSeconds(agent.pid) - usedBefore) / seconds;
const rows = await query<{ late: number; after: number }>(
  database,
  `select extract(epoch from (payload ->> 'fired_at')::timestamptz - (payload ->> 'scheduled_at')::timestamptz)::float8 * 1000 as late,
          extract(epoch from (payload ->> 'scheduled_at')::timestamptz)::float8 * 1000 - $1 as after
     from event
    where (payload ->> 'scheduled_at')::timestamptz between to_timestamp($1 / 1000.0) and to_timestamp($2 / 1000.0)`,
  [fromMs, fromMs + seconds * 1_000 - 2_000],
);
const late = rows.map((row) => row.late);
const halfMs = (seconds * 1_000) / 2;
const driftMs =
  mean(rows.filter(({ after }) => after >= halfMs)) - mean(rows.filter(({ after }) => after < halfMs));

report(
  `${timers} interval timers of 1 to 10 s, ${(late.length / seconds).toFixed(0)}/s, ${agentCommand().what}`,
  [
    ...(
      [
        [0.5, 1],
        [0.99, 3],
      ] as const
    ).map(([part, moreMs]) => ({
      what: `late, p${part * 100}`,
      measured: `${quantile(late, part).toFixed(2)} ms`,
      floor: `${quantile(floor, part).toFixed(2)} ms`,
      ratio: quantile(late, part) / quantile(floor, part),
      required: `at most ${moreMs} ms more than the floor`,
      isReached: quantile(late, part) <= quantile(floor, part) + moreMs,
    })),
    {
      what: "later in the second half",
      measured: `${driftMs.toFixed(2)} ms`,
      floor: "0 ms",
      ratio: driftMs / driftMsMax,
      required: `at most ${driftMsMax} ms`,
      isReached: driftMs <= driftMsMax,
    },
    {
      what: "processor time until stored",
      measured: `${cores.toFixed(2)} cores`,
      floor: `${coresMax} cores`,
      ratio: cores / coresMax,
      required: `at most ${coresMax} cores`,
      isReached: cores <= coresMax,
    },
  ],
);

function mean(values: readonly { readonly late: number }[]): number {
  return values.reduce((sum, { late: each }) => sum + each, 0) / Math.max(values.length, 1);
}

async function idleLatenessMs(count: number): Promise<readonly number[]> {
  const lateness: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const dueMs = Date.now() + 10;
    await delay(10);
    lateness.push(Math.max(performance.timeOrigin + performance.now() - dueMs, 0));
  }
  return lateness;
}

/** What a process has used so far, of its user's and the system's time, which Linux counts in hundredths of a second. */
function processorSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
