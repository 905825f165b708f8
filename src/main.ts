/** argv and environment in, exit code out. */
import { writeSync } from "node:fs";
import { versionText } from "./agent/version.ts";

const args = process.argv.slice(2);

if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) {
  // What installers and orchestrators ask most, before anything else is loaded, streams included.
  writeSync(1, `${versionText}\n`);
} else {
  void runToTheEnd();
}

async function runToTheEnd(): Promise<void> {
  // A reader that has seen enough (`… --detect-only | head -1`) is no failure.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

  const { runCommandLine } = await import("./agent/cli.ts");
  const exitCode = await runCommandLine({
    args,
    environment: process.env,
    print: (text) => process.stdout.write(text),
    complain: (text) => process.stderr.write(text),
  });
  // Whatever a command left open must not keep a stopped agent alive.
  process.exit(exitCode);
}
