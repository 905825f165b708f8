/** argv and environment in, exit code out. */
import { failureText } from "./agent/failure-text.ts";
import type { ExitCode } from "./agent/invocation.ts";
import { writeToStandardOutput } from "./agent/standard-output.ts";
import { versionText } from "./agent/version.ts";

const args = process.argv.slice(2);
const complain = (text: string): void => void process.stderr.write(text);

// Whatever a command left open must not keep a stopped agent alive; nor is it taken down piece by piece.
void run().then((exitCode) => process.exit(exitCode));

async function run(): Promise<ExitCode> {
  // What installers and orchestrators ask most is answered before the command line is loaded.
  const [only] = args.length === 1 ? args : [];
  if (only === "--version" || only === "-V") return answer(() => writeToStandardOutput(`${versionText}\n`));
  if (only === "--detect-only") return answer(tellInterpreters);

  const { runCommandLine } = await import("./agent/cli.ts");
  return runCommandLine({ args, environment: process.env, print: writeToStandardOutput, complain });
}

async function answer(tell: () => void | Promise<void>): Promise<ExitCode> {
  try {
    await tell();
    return 0;
  } catch (error) {
    complain(`attune-sensor-agent: ${failureText(error)}\n`);
    return 1;
  }
}

async function tellInterpreters(): Promise<void> {
  const { detectOnly } = await import("./agent/commands/detect-only.ts");
  await detectOnly({ environment: process.env, format: "text", print: writeToStandardOutput });
}
