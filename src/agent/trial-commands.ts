/** Adds the commands that try something out with stored events: `events replay` and the like. */
import type { Command } from "commander";
import type { ClientContext, Run } from "./resource-commands.ts";

interface ReplayOptions {
  readonly since?: string;
  readonly until?: string;
  readonly trigger?: string;
  readonly rule?: string;
  readonly dryRun?: true;
  readonly force?: true;
  readonly rate?: string;
}

export function addReplay(group: Command, run: Run, context: ClientContext): void {
  const command = group
    .command("replay")
    .argument("[ids...]", "ids of events, instead of --since")
    .option("--since <time>", "from this time of storing: RFC 3339, or like 30m, 24h, 7d")
    .option("--until <time>", "up to this time of storing (default: now)")
    .option("--trigger <ref>", "only events of this trigger")
    .option("--rule <ref>", "consider only this rule")
    .option("--dry-run", "only say what would be stored")
    .option("--force", "store each event anew, marked as a replay, whatever enforcements it has")
    .option("--rate <number>", "events per second for which something is stored (default: 100)")
    .description("match stored events by today's rules, and store the enforcements that are missing");
  command.action((ids: readonly string[], options: ReplayOptions) =>
    run(async () => {
      const { since, until, trigger, rule, dryRun, force, rate } = options;
      if (ids.length === 0 && since === undefined) command.error("error: give ids of events, or --since");
      if (ids.length > 0 && (since ?? until ?? trigger) !== undefined)
        command.error("error: ids of events cannot be combined with --since, --until and --trigger");
      for (const id of ids)
        if (!/^\d{1,18}$/.test(id)) command.error(`error: ${id} is not the id of an event`);
      if (rate !== undefined && !/^[1-9]\d{0,3}$/.test(rate))
        command.error(`error: --rate takes a number from 1 to 1000, not ${rate}`);
      const { replayEvents } = await import("./commands/events-replay.ts");
      return replayEvents(context(), {
        ...(ids.length > 0 ? { ids } : {}),
        ...(since === undefined ? {} : { since }),
        ...(until === undefined ? {} : { until }),
        ...(trigger === undefined ? {} : { trigger_ref: trigger }),
        ...(rule === undefined ? {} : { rule }),
        ...(rate === undefined ? {} : { rate: Number(rate) }),
        dry_run: dryRun === true,
        force: force === true,
      });
    }),
  );
}
