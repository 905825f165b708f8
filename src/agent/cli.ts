/**
 * The command line: parses the arguments, runs the command and returns its exit code.
 *
 * Each command is imported only when it is called, so that `--detect-only` in a bare image does not
 * load a database driver. Expected failures are OperatorErrors and become one line on stderr.
 * Any other error is a bug and shows its stack.
 */
import { Argument, Command, CommanderError, Option } from "commander";
import { demandSince } from "./checked-arguments.ts";
import { checkFormats, type CheckFormat } from "./check-formats.ts";
import type { OutputFormat } from "./client/output.ts";
import { completedShells, completionScript, type CompletedShell } from "./completion.ts";
import { addExplainCommands } from "./explain-commands.ts";
import { addIdentityCommands } from "./identity-commands.ts";
import { addPackCommands } from "./pack-commands.ts";
import { addResourceCommands, type ClientContext, type Run } from "./resource-commands.ts";
import type { ExitCode, Invocation } from "./invocation.ts";
import { visibleText } from "../model/texts/quoted-text.ts";
import { StopRequest } from "./stop-request.ts";
import { testFormats, type TestFormat } from "./test-formats.ts";
import { versionText } from "./version.ts";

const program = "attune-sensor-agent";

interface Options {
  readonly config?: string;
  readonly name?: string;
  readonly detectOnly?: true;
  readonly watch?: true;
  readonly api?: string;
  readonly format: Format;
}

type Format = CheckFormat | TestFormat | OutputFormat;

const formats: readonly Format[] = [...new Set<Format>([...checkFormats, ...testFormats, "table", "yaml"])];

export interface CommandLine {
  /** Without the executable and the script. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** See hangup.ts. */
  readonly ignoresHangup: boolean;
  readonly print: (text: string) => void;
  /** Whether anybody still reads what is printed. */
  readonly hasReader: () => boolean;
  readonly complain: (text: string) => void;
}

export async function runCommandLine(commandLine: CommandLine): Promise<ExitCode> {
  const { args, environment, ignoresHangup, print: printUnchanged, hasReader } = commandLine;
  // Any text may quote what a stranger chose: a payload, a path, a failure of a server.
  const print = (text: string): void => printUnchanged(visibleText(text));
  const complain = (text: string): void => commandLine.complain(visibleText(text));
  let exitCode: ExitCode = 0;
  /** Help that was asked for is printed; help because something is missing is a complaint. */
  let hasAnswered = false;

  const root = new Command(program)
    .description(
      "Runs sensors in any container image, stores their events and delivers the enforcements of matching rules.",
    )
    .version(versionText, "-V, --version")
    .option("-c, --config <path>", "configuration file (else $ATTUNE_CONFIG, else ./config.yaml if present)")
    .option("-n, --name <name>", "worker name of this process")
    .option("--detect-only", "print the interpreters found in this image and exit")
    .option("--watch", "print a line for each event, match and sensor state change; repeat a list every 2 s")
    .option("--api <url>", "API to use instead of this machine's agent, with the token in $ATTUNE_API_TOKEN")
    .addOption(new Option("--format <format>", "report format").choices(formats).default("text"))
    // Not implied for a program that does something without a command.
    .helpCommand("help [command]", "show what a command does")
    .showHelpAfterError(`(${program} --help lists commands and options)`)
    .configureOutput({
      writeOut: (text) => {
        hasAnswered = true;
        print(text);
      },
      writeErr: complain,
    })
    .exitOverride();

  const invocation = (): Invocation => {
    const { config, name, format } = root.opts<Options>();
    return {
      environment,
      configPath: config,
      workerName: name,
      format: format === "json" ? "json" : "text",
      print,
      complain,
    };
  };

  root.hook("preAction", (_, command) => {
    if (command !== root && root.opts<Options>().detectOnly)
      root.error("error: --detect-only takes no command");
    const { watch, format, detectOnly } = root.opts<Options>();
    const isList = command.name() === "list" && command.parent?.name() !== "identity";
    if (watch && (detectOnly || (command !== root && !isList)))
      root.error("error: --watch only works when running the agent and with list commands");
    if (!formatsOf(command, root).includes(format)) {
      root.error(`error: --format ${format} only works with ${placeOfFormat(format)}`);
    }
  });
  root
    .argument("[command...]")
    .usage("[options] [command]")
    .action(async ([unknownCommand]: readonly string[]) => {
      if (unknownCommand !== undefined) {
        const { unknownCommandText } = await import("./unknown-command.ts");
        root.error(`error: ${unknownCommandText(unknownCommand, root)}`);
      }
      if (root.opts<Options>().detectOnly) {
        const { detectOnly } = await import("./commands/detect-only.ts");
        exitCode = await detectOnly(invocation());
      } else {
        // Before anything else is loaded: a stop signal may arrive as soon as the container runs.
        using stop = new StopRequest(complain, { ignoresHangup });
        const { runService } = await import("./commands/run.ts");
        exitCode = await runService(invocation(), stop, { isWatched: root.opts<Options>().watch === true });
      }
    });

  root
    .command("install")
    .argument("<directory>")
    .description("copy this executable into a folder from which other containers can start it")
    .action(async (directory: string) => {
      const { install } = await import("./commands/install.ts");
      exitCode = await install(invocation(), directory);
    });

  root
    .command("migrate")
    .description("apply pending migrations and exit")
    .option("--print-grants", "only print the SQL grants for an agent that does not own the schema")
    .option("--role <name>", "role to grant them to (default: the user of database.url)")
    .action(
      async ({ printGrants: isPrinting, role }: { readonly printGrants?: true; readonly role?: string }) => {
        if (isPrinting) {
          const { printGrants } = await import("./commands/print-grants.ts");
          exitCode = printGrants(invocation(), role);
          return;
        }
        if (role !== undefined) root.error("error: --role only works with migrate --print-grants");
        const { migrate } = await import("./commands/migrate.ts");
        exitCode = await migrate(invocation());
      },
    );

  const run: Run = async (command) => void (exitCode = await command());
  addPackCommands(root, run, () => {
    const { api, format } = root.opts<Options>();
    return { invocation: invocation(), apiUrl: api, format };
  });
  const clientContext: ClientContext = () => {
    const { api, format, watch } = root.opts<Options>();
    return {
      ...invocation(),
      printUnchanged,
      hasReader,
      apiUrl: api,
      output: format === "json" || format === "yaml" ? format : "table",
      isWatched: watch === true,
      isTerminal: process.stdout.isTTY,
    };
  };
  addResourceCommands(root, run, clientContext);
  addExplainCommands(root, run, clientContext);
  addIdentityCommands(root, run, invocation);

  root
    .command("doctor")
    .description("check everything a sensor needs; exit 1 if anything is wrong")
    .addOption(
      new Option("--probe <question>", "only query the local agent's health").choices(["live", "ready"]),
    )
    .action(async ({ probe }: { readonly probe?: "live" | "ready" }) => {
      if (probe !== undefined) {
        const { probeAgent } = await import("./commands/doctor-probe.ts");
        exitCode = await probeAgent(invocation(), probe);
        return;
      }
      const { doctor } = await import("./commands/doctor.ts");
      exitCode = await doctor(invocation());
    });

  const verify = root
    .command("verify")
    .option("--since <time>", "only rows stored since then: RFC 3339, or like 30m, 24h, 7d")
    .option("--repair", "also repair what can be repaired")
    .description("prove that stored events, enforcements and messages agree; exit 1 if they do not")
    .action(async ({ since, repair }: { readonly since?: string; readonly repair?: true }) => {
      demandSince(verify, since);
      const { verifyRows } = await import("./commands/verify.ts");
      exitCode = await verifyRows(clientContext(), { since, isRepairing: repair === true });
    });

  root
    .command("completion")
    .addArgument(new Argument("<shell>", "shell to complete in").choices(completedShells))
    .description("print a script for the shell, which completes commands and options")
    .action((shell: CompletedShell) => print(completionScript(root, shell)));

  try {
    await root.parseAsync(withHelpOption(args, root), { from: "user" });
    return exitCode;
  } catch (error) {
    // Help and version end this way too.
    if (error instanceof CommanderError) return error.exitCode === 0 || hasAnswered ? 0 : 2;
    const { failureText } = await import("./failure-text.ts");
    complain(`${program}: ${failureText(error)}\n`);
    return 1;
  }
}

/**
 * `help packs load` as `packs load --help`: Commander's own help knows only the first name. An unknown one is refused as without
 * `help`.
 */
function withHelpOption(args: readonly string[], root: Command): string[] {
  const [first, ...names] = args;
  const [name] = names;
  if (first !== "help" || name === undefined || name.startsWith("-")) return [...args];
  const isKnown = root.commands.some((command) => command.name() === name);
  return isKnown ? [...names, "--help"] : names;
}

/** Commands that talk to a running agent print tables; reports are text; those on pack folders are for build servers, too. */
function formatsOf(command: Command, root: Command): readonly Format[] {
  const group = command.parent === root || command === root ? undefined : command.parent?.name();
  if (group === "packs" && command.name() === "check") return checkFormats;
  if (group === "packs" && command.name() === "test") return testFormats;
  if (command.name() === "completion") return ["text"];
  if (group === undefined || group === "identity" || group === "token") return ["text", "json"];
  if (group === "packs" && ["load", "new", "schemas"].includes(command.name())) return ["text", "json"];
  // As the agent sends them, line by line.
  if (command.name() === "replay" || command.name() === "logs") return ["text", "table", "json"];
  return ["text", "table", "json", "yaml"];
}

function placeOfFormat(format: Format): string {
  if (format === "github") return "packs check";
  return format === "junit" ? "packs test" : "commands that list or show";
}
