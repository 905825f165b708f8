/**
 * The command line: parses the arguments, runs the command and returns its exit code.
 *
 * Each command is imported only when it is called, so that `--detect-only` in a bare image does not
 * load a database driver. Expected failures are OperatorErrors and become one line on stderr.
 * Any other error is a bug and shows its stack.
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
    .description(
      "Runs sensors in any container image, stores their events and delivers the enforcements of matching rules.",
    )
    .version(versionText, "-V, --version")
    .option("-c, --config <path>", "configuration file (else $ATTUNE_CONFIG, else ./config.yaml if present)")
    .option("-n, --name <name>", "worker name of this process")
    .option("--detect-only", "print the interpreters found in this image and exit")
    .option("--watch", "print a line for each event, match and sensor state change")
    .addOption(new Option("--format <format>", "report format").choices(checkFormats).default("text"))
    .showHelpAfterError(`(${program} --help lists commands and options)`)
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
      root.error("error: --watch only works when running the agent");
    if (command.name() !== "check" && root.opts<Options>().format === "github")
      root.error("error: --format github only works with packs check");
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
    .description("validate pack folders and load their definitions into the database")
    .action(async (directories: string[]) => {
      const { loadPacks } = await import("./commands/packs-load.ts");
      exitCode = await loadPacks(invocation(), directories);
    });

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
