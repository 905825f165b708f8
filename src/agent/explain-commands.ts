/** Adds `explain` to events, rules and sensors, and the commands on the history of rules. */
import type { Command } from "commander";
import { isId } from "./checked-arguments.ts";
import type { ClientContext, Run } from "./resource-commands.ts";

export function addExplainCommands(root: Command, run: Run, context: ClientContext): void {
  const group = (name: string): Command => {
    const found = root.commands.find((command) => command.name() === name);
    if (found === undefined) throw new Error(`there are no commands for ${name}`);
    return found;
  };
  addEventExplanation(group("events"), run, context);
  addRuleExplanation(group("rules"), run, context);
  addHistory(group("rules"), run, context);
  group("sensors")
    .command("explain")
    .argument("<ref>")
    .description("show why a sensor reports no events")
    .action((ref: string) =>
      run(async () => {
        const { explainSensor } = await import("./commands/explanations.ts");
        return explainSensor(context(), ref);
      }),
    );
}

interface EventOptions {
  readonly rule?: string;
  readonly dedupKey?: string;
  readonly trigger?: string;
}

function addEventExplanation(events: Command, run: Run, context: ClientContext): void {
  const command = events
    .command("explain")
    .argument("[id]")
    .description("show which rules an event matched, and why the others did not match")
    .option("--rule <ref>", "answer for this rule only")
    .option("--dedup-key <key>", "explain the event stored under this key")
    .option("--trigger <ref>", "trigger of the event with that key");
  command.action((id: string | undefined, { rule, dedupKey, trigger }: EventOptions) =>
    run(async () => {
      if (id !== undefined && !isId(id)) command.error(`error: explain takes the id of an event, not ${id}`);
      if ((id === undefined) === (dedupKey === undefined))
        command.error("error: give either the id of an event or --dedup-key");
      if ((dedupKey === undefined) !== (trigger === undefined))
        command.error("error: --dedup-key and --trigger go together");
      const { explainEvent } = await import("./commands/explanations.ts");
      return explainEvent(context(), { id, dedupKey, triggerRef: trigger, ruleRef: rule });
    }),
  );
}

function addRuleExplanation(rules: Command, run: Run, context: ClientContext): void {
  const command = rules
    .command("explain")
    .argument("<ref>")
    .option("--last <number>", "how many of the trigger's last events to explain (default: 100)")
    .description("show why a rule did not match the last events of its trigger");
  command.action((ref: string, { last = "100" }: { readonly last?: string }) =>
    run(async () => {
      if (!/^[1-9]\d{0,3}$/.test(last) || Number(last) > 1_000)
        command.error(`error: --last takes a number from 1 to 1000, not ${last}`);
      const { explainRule } = await import("./commands/explanations.ts");
      return explainRule(context(), ref, last);
    }),
  );
}

function addHistory(rules: Command, run: Run, context: ClientContext): void {
  rules
    .command("history")
    .argument("<ref>")
    .description("list the versions of a rule, newest first: when it changed, how, and by whom")
    .action((ref: string) =>
      run(async () => {
        const { printHistory } = await import("./commands/rule-history.ts");
        return printHistory(context(), ref);
      }),
    );
  const diff = rules
    .command("diff")
    .argument("<ref>")
    .argument("[from]", "version (default: the one before)")
    .argument("[to]", "version (default: the newest)")
    .description("show what differs between two versions of a rule, field by field");
  diff.action((ref: string, from: string | undefined, to: string | undefined) =>
    run(async () => {
      for (const version of [from, to])
        if (version !== undefined && !isId(version))
          diff.error(`error: diff takes the numbers of versions, not ${version}`);
      const { printDifference } = await import("./commands/rule-history.ts");
      return printDifference(context(), ref, from, to);
    }),
  );
  const revert = rules
    .command("revert")
    .argument("<ref>")
    .argument("<version>", "version, as rules history lists it")
    .description("change a rule back to an earlier version; a deleted rule is created again");
  revert.action((ref: string, version: string) =>
    run(async () => {
      if (!isId(version)) revert.error(`error: revert takes a version's number, not ${version}`);
      const { revertRule } = await import("./commands/rule-history.ts");
      return revertRule(context(), ref, version);
    }),
  );
}
