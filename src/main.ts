/** argv and environment in, exit code out. */
import { runCommandLine } from "./agent/cli.ts";

// A reader that has seen enough (`… --detect-only | head -1`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

void runCommandLine({
  args: process.argv.slice(2),
  environment: process.env,
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
}).then((exitCode) => {
  // Whatever a command left open must not keep a stopped agent alive.
  process.exit(exitCode);
});
