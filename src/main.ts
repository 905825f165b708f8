/** argv and environment in, exit code out. */
import type { Probe } from "./agent/commands/doctor-probe.ts";
import { failureText } from "./agent/failure-text.ts";
import { keepHangupIgnored } from "./agent/hangup.ts";
import type { ExitCode } from "./agent/invocation.ts";
import { writeToStandardOutput } from "./agent/standard-output.ts";
import { versionText } from "./agent/version.ts";

const args = process.argv.slice(2);
const ignoresHangup = keepHangupIgnored(process.env);
const complain = (text: string): void => void process.stderr.write(text);

// Unless somebody says otherwise: what came to no end is no success.
process.exitCode = 1;
// Whatever a command left open must not keep a stopped agent alive; nor is it taken down piece by piece.
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
    complain,
  });
}

/** What installers, orchestrators and health checks ask most is answered before the command line is loaded. */
function quickAnswer(): (() => ExitCode | Promise<ExitCode>) | undefined {
  const [first, second, question, ...others] = args;
  if (second === undefined) {
    if (first === "--version" || first === "-V") return tellVersion;
    return first === "--detect-only" ? tellInterpreters : undefined;
  }
  const isProbe = first === "doctor" && second === "--probe" && others.length === 0;
  return isProbe && (question === "live" || question === "ready") ? () => tellHealth(question) : undefined;
}

async function orFailure(answer: () => ExitCode | Promise<ExitCode>): Promise<ExitCode> {
  try {
    return await answer();
  } catch (error) {
    complain(`attune-sensor-agent: ${failureText(error)}\n`);
    return 1;
  }
}

function tellVersion(): ExitCode {
  writeToStandardOutput(`${versionText}\n`);
  return 0;
}

async function tellInterpreters(): Promise<ExitCode> {
  const { detectOnly } = await import("./agent/commands/detect-only.ts");
  return detectOnly({ environment: process.env, format: "text", print: writeToStandardOutput });
}

async function tellHealth(question: Probe): Promise<ExitCode> {
  const { probeAgent } = await import("./agent/commands/doctor-probe.ts");
  const output = { print: writeToStandardOutput, complain };
  return probeAgent(
    { environment: process.env, configPath: undefined, workerName: undefined, ...output },
    question,
  );
}
