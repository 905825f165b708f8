/**
 * The command line: which command, with what options, and what became of it as an exit code.
 *
 * Each command is imported only when it is called, so that `--detect-only` in a bare image does not
 * pay for a database driver. Expected failures are OperatorErrors and become one line on stderr;
 * anything else that gets here is a bug and shows its stack.
 */
import { Command, CommanderError, Option } from "commander";
import { checkFormats, type CheckFormat } from "./check-formats.ts";
import type { ExitCode, Invocation } from "./invocation.ts";
import { StopRequest } from "./stop-request.ts";
import { versionText } from "./version.ts";

const program = "attune-sensor-agent";

interface Options {
  readonly config?: string;
  readonly name?: string;
  readonly detectOnly?: true;
  readonly watch?: true;
  readonly format: CheckFormat;
}

export interface CommandLine {
  /** Without the executable and the script. */
  readonly args: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  /** See hangup.ts. */
  readonly ignoresHangup: boolean;
  readonly print: (text: string) => void;
  readonly complain: (text: string) => void;
}

export async function runCommandLine(commandLine: CommandLine): Promise<ExitCode> {
  const { args, environment, ignoresHangup, print, complain } = commandLine;
  let exitCode: ExitCode = 0;

  const root = new Command(program)
    .description("Runs sensors in any container image: events in, matched rules and enforcements out.")
    .version(versionText, "-V, --version")
    .option("-c, --config <path>", "configuration file (else $ATTUNE_CONFIG, else ./config.yaml if present)")
    .option("-n, --name <name>", "worker name of this process")
    .option("--detect-only", "print which interpreters this image has, and end")
    .option("--watch", "print a line for each event, match and change of a sensor")
    .addOption(new Option("--format <format>", "of reports").choices(checkFormats).default("text"))
    .showHelpAfterError(`(${program} --help lists what there is)`)
    .configureOutput({ writeOut: print, writeErr: complain })
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
    if (root.opts<Options>().watch && (command !== root || root.opts<Options>().detectOnly))
      root.error("error: --watch is for running the agent");
    if (command.name() !== "check" && root.opts<Options>().format === "github")
      root.error("error: --format github is for packs check");
  });
  root
    .argument("[command]")
    .usage("[options] [command]")
    .action(async (unknownCommand: string | undefined) => {
      if (unknownCommand !== undefined) root.error(`error: unknown command '${unknownCommand}'`);
      if (root.opts<Options>().detectOnly) {
        const { detectOnly } = await import("./commands/detect-only.ts");
        exitCode = await detectOnly(invocation());
      } else {
        // Before anything else is loaded: a stop may be asked for as soon as the container is there.
        using stop = new StopRequest(complain, { ignoresHangup });
        const { runService } = await import("./commands/run.ts");
        exitCode = await runService(invocation(), stop, { isWatched: root.opts<Options>().watch === true });
      }
    });

  root
    .command("install")
    .argument("<directory>")
    .description("copy this executable into a folder, for other containers to start it from")
    .action(async (directory: string) => {
      const { install } = await import("./commands/install.ts");
      exitCode = await install(invocation(), directory);
    });

  root
    .command("migrate")
    .description("apply the migrations this version needs, and end")
    .option(
      "--print-grants",
      "only print the rights that an agent needs which does not own the schema, as SQL",
    )
    .option("--role <name>", "role to grant them to (default: the user of database.url)")
    .action(
      async ({ printGrants: isPrinting, role }: { readonly printGrants?: true; readonly role?: string }) => {
        if (isPrinting) {
          const { printGrants } = await import("./commands/print-grants.ts");
          exitCode = printGrants(invocation(), role);
          return;
        }
        if (role !== undefined) root.error("error: --role is for migrate --print-grants");
        const { migrate } = await import("./commands/migrate.ts");
        exitCode = await migrate(invocation());
      },
    );

  const packs = root.command("packs").description("work with pack folders");
  packs
    .command("check")
    .argument("<directories...>", "pack folders")
    .description("check pack folders without a database; exit 1 if anything is wrong")
    .action(async (directories: string[]) => {
      const { checkPacks } = await import("./commands/packs-check.ts");
      exitCode = await checkPacks(invocation(), directories, root.opts<Options>().format);
    });
  packs
    .command("load")
    .argument("<directories...>", "pack folders")
    .description("validate pack folders and put their definitions into the database")
    .action(async (directories: string[]) => {
      const { loadPacks } = await import("./commands/packs-load.ts");
      exitCode = await loadPacks(invocation(), directories);
    });

  root
    .command("doctor")
    .description("check everything a sensor needs; exit 1 if anything is wrong")
    .addOption(
      new Option("--probe <question>", "only ask the agent that runs here").choices(["live", "ready"]),
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

  try {
    await root.parseAsync([...args], { from: "user" });
    return exitCode;
  } catch (error) {
    // Help and version end this way too, with exit code 0.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const { failureText } = await import("./failure-text.ts");
    complain(`${program}: ${failureText(error)}\n`);
    return 1;
  }
}
