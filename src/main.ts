/** argv and environment in, exit code out. */
import { failureText } from "./agent/failure-text.ts";
import { writeToStandardOutput } from "./agent/standard-output.ts";
import { versionText } from "./agent/version.ts";

const args = process.argv.slice(2);
const complain = (text: string): void => void process.stderr.write(text);

// What installers and orchestrators ask most is answered before the command line is loaded.
const [only] = args.length === 1 ? args : [];
if (only === "--version" || only === "-V") {
  void answer(() => writeToStandardOutput(`${versionText}\n`));
} else if (only === "--detect-only") {
  void answer(tellInterpreters);
} else {
  void runToTheEnd();
}

async function answer(tell: () => void | Promise<void>): Promise<void> {
  try {
    await tell();
  } catch (error) {
    complain(`attune-sensor-agent: ${failureText(error)}\n`);
    process.exitCode = 1;
  }
}

async function tellInterpreters(): Promise<void> {
  const { detectOnly } = await import("./agent/commands/detect-only.ts");
  detectOnly({ environment: process.env, format: "text", print: writeToStandardOutput });
}

async function runToTheEnd(): Promise<void> {
  const { runCommandLine } = await import("./agent/cli.ts");
  const exitCode = await runCommandLine({
    args,
    environment: process.env,
    print: writeToStandardOutput,
    complain,
  });
  // Whatever a command left open must not keep a stopped agent alive.
  process.exit(exitCode);
}
