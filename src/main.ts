/** argv and environment in, exit code out. */
import type { Probe } from "./agent/commands/doctor-probe.ts";
import { failureText } from "./agent/failure-text.ts";
import { keepHangupIgnored } from "./agent/hangup.ts";
import type { ExitCode } from "./agent/invocation.ts";
import { hasReader, writeToStandardError, writeToStandardOutput } from "./agent/standard-output.ts";
import { versionText } from "./agent/version.ts";
import { visibleText } from "./model/texts/quoted-text.ts";

const args = process.argv.slice(2);
const ignoresHangup = keepHangupIgnored(process.env);
// As in cli.ts.
const printVisibly = (text: string): void => writeToStandardOutput(visibleText(text));
const complainVisibly = (text: string): void => writeToStandardError(visibleText(text));

// A run that never finishes is a failure.
process.exitCode = 1;
// Exit explicitly: a handle that a command left open must not keep a stopped agent alive.
void run().then((exitCode) => process.exit(exitCode));

async function run(): Promise<ExitCode> {
  const quickly = quickAnswer();
  if (quickly !== undefined) return orFailure(quickly);
  const { runCommandLine } = await import("./agent/cli.ts");
  return runCommandLine({
    args,
    environment: process.env,
    ignoresHangup,
    print: writeToStandardOutput,
    hasReader,
    complain: writeToStandardError,
  });
}

/** Answers the most frequent calls (installers, orchestrators, health checks) without loading the command line. */
function quickAnswer(): (() => ExitCode | Promise<ExitCode>) | undefined {
  const [first, second, question, ...others] = args;
  if (second === undefined) {
    if (first === "--version" || first === "-V") return printVersion;
    return first === "--detect-only" ? printInterpreters : undefined;
  }
  const isProbe = first === "doctor" && second === "--probe" && others.length === 0;
  return isProbe && (question === "live" || question === "ready") ? () => printHealth(question) : undefined;
}

async function orFailure(answer: () => ExitCode | Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await answer();
  } catch (error) {
    complainVisibly(`attune-sensor-agent: ${failureText(error)}\n`);
    return 1;
  }
}

function printVersion(): ExitCode {
  writeToStandardOutput(`${versionText}\n`);
  return 0;
}

async function printInterpreters(): Promise<ExitCode> {
  const { detectOnly } = await import("./agent/commands/detect-only.ts");
  return detectOnly({ environment: process.env, format: "text", print: printVisibly });
}

async function printHealth(question: Probe): Promise<ExitCode> {
  const { probeAgent } = await import("./agent/commands/doctor-probe.ts");
  return probeAgent(
    {
      environment: process.env,
      configPath: undefined,
      workerName: undefined,
      print: printVisibly,
      complain: complainVisibly,
    },
    question,
  );
}
