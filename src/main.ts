/** argv and environment in, exit code out. */
import { writeToStandardOutput } from "./agent/standard-output.ts";
import { versionText } from "./agent/version.ts";

const args = process.argv.slice(2);
const complain = (text: string): void => void process.stderr.write(text);

if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  // What installers and orchestrators ask most, before anything else is loaded.
  tellVersion();
} else {
  void runToTheEnd();
}

function tellVersion(): void {
  try {
    writeToStandardOutput(`${versionText}\n`);
  } catch (error) {
    complain(`attune-sensor-agent: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
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
