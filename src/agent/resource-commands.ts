/** Adds the commands that talk to a running agent: `sensors list`, `rules disable REF` and the like. */
import type { Command } from "commander";
import type { ClientInvocation } from "./commands/resources.ts";
import type { Action, Filter, ResourceCommands } from "./client/resources.ts";
import { resourceCommands } from "./client/resources.ts";
import { demandNames, isId } from "./checked-arguments.ts";
import type { ExitCode } from "./invocation.ts";
import { addBacktest, addReplay } from "./trial-commands.ts";

/** Runs a command; the command line takes its exit code. */
export type Run = (command: () => Promise<ExitCode>) => Promise<void>;

type GivenOptions = Readonly<Record<string, string | true | undefined>>;

export function addResourceCommands(root: Command, run: Run, context: ClientContext): void {
  for (const resource of resourceCommands) {
    const group =
      root.commands.find((command) => command.name() === resource.plural) ??
      root
        .command(resource.plural)
        .description(
          `${resource.actions.length > 0 ? "see and change" : "see"} the platform's ${resource.plural}`,
        );
    addList(group, resource, run, context);
    addShow(group, resource, run, context);
    for (const action of resource.actions) addAction(group, resource, action, run, context);
    if (resource.plural === "sensors") addLogs(group, run, context);
    if (resource.plural === "rules") addRuleTest(group, run, context);
    if (resource.plural === "rules") addRuleLint(group, run, context);
    if (resource.plural === "triggers") addTriggerSchema(group, run, context);
    if (resource.plural === "rules") addBacktest(group, run, context);
    if (resource.plural === "events") addReplay(group, run, context);
  }
}

/** What the commands need of the command line, once it is parsed. */
export type ClientContext = () => ClientInvocation;

function addList(group: Command, resource: ResourceCommands, run: Run, context: ClientContext): void {
  const command = group
    .command("list")
    .description(`list ${resource.plural}${resource.isLog ? ", the newest first" : ""}`)
    .option("--limit <number>", `how many at most (default: ${resource.isLog ? "20" : "all"})`);
  for (const { option, meaning } of resource.filters) command.option(option, meaning);
  command.action((options: GivenOptions) =>
    run(async () => {
      const { listResources } = await import("./commands/resources.ts");
      return listResources(context(), resource, {
        limit: numberOf(command, options),
        query: queryOf(command, resource.filters, options),
      });
    }),
  );
}

function addShow(group: Command, resource: ResourceCommands, run: Run, context: ClientContext): void {
  const command = group
    .command("show")
    .argument(`<${nameOf(resource)}>`)
    .description(`show everything about one ${resource.singular}`)
    .action((name: string) =>
      run(async () => {
        if (resource.isLog && !isId(name))
          command.error(`error: show takes the id of one of the ${resource.plural}, not ${name}`);
        demandNames(command, [name]);
        const { showResource } = await import("./commands/resources.ts");
        return showResource(context(), resource, name);
      }),
    );
}

function addAction(
  group: Command,
  resource: ResourceCommands,
  action: Action,
  run: Run,
  context: ClientContext,
): void {
  const command = group
    .command(action.name)
    .argument(`<${nameOf(resource)}...>`)
    .description(action.meaning)
    .action((names: string[]) =>
      run(async () => {
        demandNames(command, names);
        const { actOnResources } = await import("./commands/resources.ts");
        return actOnResources(context(), resource, action, names);
      }),
    );
}

function addLogs(group: Command, run: Run, context: ClientContext): void {
  const command = group
    .command("logs")
    .argument("<ref>")
    .description("print the end of a sensor's log, from whatever worker runs it")
    .option("--tail <number>", "how many lines (default: 100)")
    .option("-f, --follow", "go on with new lines until interrupted");
  command.action(
    (ref: string, { tail = "100", follow }: { readonly tail?: string; readonly follow?: true }) =>
      run(async () => {
        demandNames(command, [ref]);
        if (!/^\d{1,6}$/.test(tail)) command.error(`error: --tail takes a number of lines, not ${tail}`);
        const { printLogs } = await import("./commands/sensor-logs.ts");
        return printLogs(context(), { ref, tail, isFollowing: follow === true });
      }),
  );
}

function addRuleTest(group: Command, run: Run, context: ClientContext): void {
  const command = group
    .command("test")
    .argument("<rule>", "its ref, or its file in a pack's folder")
    .requiredOption(
      "--event <event>",
      "JSON, a file with JSON, - for standard input, or the id of a stored event",
    )
    .description("say whether a rule matches an event, and if not, why; exit 1 if it does not")
    .action((rule: string, { event }: { readonly event: string }) =>
      run(async () => {
        if (/^\d+$/.test(event) && !isId(event))
          command.error(`error: --event takes the id of an event, not ${event}`);
        const { testRule } = await import("./commands/rules-test.ts");
        return testRule(context(), { rule, event, input: process.stdin });
      }),
    );
}

function addRuleLint(group: Command, run: Run, context: ClientContext): void {
  group
    .command("lint")
    .argument("<rules...>", "refs of stored rules, files of rules in a pack's folder, or folders of packs")
    .description("say what is probably wrong with rules; exit 1 if anything is, 2 if one cannot be read")
    .action((targets: readonly string[]) =>
      run(async () => {
        const { lintRules } = await import("./commands/rules-lint.ts");
        return lintRules(context(), targets);
      }),
    );
}

function addTriggerSchema(group: Command, run: Run, context: ClientContext): void {
  group
    .command("schema")
    .argument("<ref>")
    .description("show what payloads of a trigger look like, and how they differ from its out_schema")
    .option("--suggest", "only print an out_schema that describes them")
    .action((ref: string, { suggest }: { readonly suggest?: true }) =>
      run(async () => {
        const { showSchema } = await import("./commands/trigger-schema.ts");
        return showSchema(context(), ref, suggest === true);
      }),
    );
}

function nameOf({ isLog, plural }: ResourceCommands): string {
  if (isLog) return "id";
  return plural === "workers" ? "name" : "ref";
}

function numberOf(command: Command, { limit }: GivenOptions): number | undefined {
  if (limit === undefined) return undefined;
  if (typeof limit !== "string" || !/^[1-9]\d{0,8}$/.test(limit))
    command.error(`error: --limit takes a number from 1, not ${String(limit)}`);
  return Number(limit);
}

function queryOf(
  command: Command,
  filters: readonly Filter[],
  options: GivenOptions,
): Record<string, string> {
  const query: Record<string, string> = {};
  for (const { option, parameter, value } of filters) {
    const name = /--(\w+)/.exec(option)?.[1] ?? "";
    const given = options[name];
    if (typeof given !== "string") continue;
    if (value === "yes|no" && given !== "yes" && given !== "no")
      command.error(`error: --${name} takes yes or no, not ${given}`);
    if (value === "id" && !isId(given)) command.error(`error: --${name} takes an id, not ${given}`);
    query[parameter] = value === "yes|no" ? String(given === "yes") : given;
  }
  return query;
}
