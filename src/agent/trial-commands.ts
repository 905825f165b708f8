/** Adds the commands that try something out with stored events: `events replay` and the like. */
import { Option, type Command } from "commander";
import type { Gate } from "../model/rules/backtest-gate.ts";
import { demandSince, demandTime, isId } from "./checked-arguments.ts";
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
    .option("--dry-run", "only show what would be stored")
    .option("--force", "store each event anew, marked as a replay, whatever enforcements it has")
    .option("--rate <number>", "events per second for which something is stored (default: 100)")
    .description("match stored events by today's rules, and store the enforcements that are missing");
  command.action((ids: readonly string[], options: ReplayOptions) =>
    run(async () => {
      const { since, until, trigger, rule, dryRun, force, rate } = options;
      if (ids.length === 0 && since === undefined) command.error("error: give ids of events, or --since");
      if (ids.length > 0 && (since ?? until ?? trigger) !== undefined)
        command.error("error: ids of events cannot be combined with --since, --until and --trigger");
      demandSince(command, since);
      demandTime(command, "--until", until);
      for (const id of ids) if (!isId(id)) command.error(`error: ${id} is not the id of an event`);
      if (rate !== undefined && (!/^[1-9]\d{0,3}$/.test(rate) || Number(rate) > 1_000))
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

interface BacktestOptions {
  readonly since: string;
  readonly until?: string;
  readonly set: readonly string[];
  readonly against: string;
  readonly failIf: readonly string[];
}

function collected(text: string, earlier: readonly string[]): readonly string[] {
  return [...earlier, text];
}

export function addBacktest(group: Command, run: Run, context: ClientContext): void {
  const none: readonly string[] = [];
  const command = group
    .command("backtest")
    .argument("<rule>", "its ref, or its file in a pack's folder")
    .requiredOption("--since <time>", "from this time of storing: RFC 3339, or like 24h, 7d; or change")
    .option("--until <time>", "up to this time of storing (default: now)")
    .option(
      "--set <name=json>",
      "change conditions, action_params, trigger_params or trigger_ref",
      collected,
      none,
    )
    .addOption(
      new Option("--against <what>", "compare with the live rule, or with its stored enforcements")
        .choices(["live", "stored"])
        .default("live"),
    )
    .option("--fail-if <limit>", "exit 1 if this is true, such as 'hits>100' or 'missed>0'", collected, none)
    .description("run a rule on stored events, and compare it with the live one");
  command.action((rule: string, { since, until, set, against, failIf }: BacktestOptions) =>
    run(async () => {
      if (since !== "change") demandSince(command, since);
      demandTime(command, "--until", until);
      const { backtestRule, readGate } = await import("./commands/rules-backtest.ts");
      const gates = failIf.map((text): Gate => {
        const gate = readGate(text);
        if (gate.kind === "invalid") return command.error(`error: --fail-if ${text}: ${gate.problem}`);
        return gate.value;
      });
      return backtestRule(context(), { rule, since, until, set, against, gates });
    }),
  );
}
