import type { Config } from "../../config/schema.ts";
import type { Database } from "../../database/database.ts";
import type { DetectedInterpreter } from "../../model/runtimes/detected-interpreter.ts";
import { selectRuntimes, type RuntimeSelection } from "../../model/runtimes/runtime-selection.ts";
import { builtinRuntime, nativeRuntime } from "../../model/runtimes/runtime-names.ts";
import type { RuntimeAnswer } from "../../model/runtimes/runtime-offer.ts";
import { describeOutcome, type RuntimeOutcome } from "../../model/runtimes/runtime-outcome.ts";
import type { ProcessGuard } from "../../processes/guard.ts";
import { probeMachine } from "../../runtimes/probe-machine.ts";
import { SensorRuntimes } from "../../runtimes/sensor-runtimes.ts";
import { silentLogger } from "../../telemetry/logger.ts";
import { systemClock } from "../../time/clock.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";

/** The machine as the agent sees it at start-up. */
export interface ExaminedMachine {
  /** Environment variables for the image's programs. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly detectedInterpreters: readonly DetectedInterpreter[];
  /** ATTUNE_SENSOR_RUNTIMES as set from outside; undefined when it was not. */
  readonly runtimesFromEnvironment: readonly string[] | undefined;
  /** Ends commands that outlive this process. */
  readonly guard: Pick<ProcessGuard, "watch">;
}

export interface VerifiedRuntimes {
  readonly runtimes: SensorRuntimes;
  readonly selection: RuntimeSelection;
}

/** The runtimes this machine offers, verified without the cache. */
export async function verifyRuntimes(
  { sensor }: Config,
  { variables, detectedInterpreters, runtimesFromEnvironment, guard }: ExaminedMachine,
  database: Database,
): Promise<VerifiedRuntimes> {
  const selection = selectRuntimes(runtimesFromEnvironment?.join(","), sensor.capabilities.runtimes);
  const runtimes = new SensorRuntimes({
    database,
    workerName: sensor.worker_name,
    selection,
    machine: probeMachine(variables, detectedInterpreters),
    guard,
    cacheTtlMs: 0,
    intervalMs: 0,
    clock: systemClock,
    logger: silentLogger,
  });
  await runtimes.verify(new AbortController().signal);
  return { runtimes, selection };
}

/**
 * A missing runtime alone is not wrong: images differ, and a sensor without a worker for its runtime gets a
 * finding of its own.
 */
export function runtimeFindings({ runtimes, selection }: VerifiedRuntimes): readonly Finding[] {
  const { runtimes: offered } = runtimes.capabilities;
  const named = selection.kind === "override" ? selection.names : [];
  return [
    good("runtimes", `offers ${offered.join(", ")}${selection.kind === "override" ? " (an override)" : ""}`),
    ...runtimes.judged.map(({ ref, name, outcome }) =>
      findingOf(`runtime ${ref}`, outcome, runtimes.offered(ref), named.includes(name)),
    ),
    ...unknownNames(named, runtimes),
  ];
}

function findingOf(
  subject: string,
  outcome: RuntimeOutcome,
  answer: RuntimeAnswer,
  isNamed: boolean,
): Finding {
  if (outcome.kind === "malformed") {
    return wrong(subject, describeOutcome(outcome), { remedy: "correct the row in the table runtime" });
  }
  if (answer.kind === "offered") return good(subject, describeOutcome(outcome));
  return isNamed
    ? wrong(subject, `named by an override, but ${answer.reason}`)
    : notice(subject, answer.reason);
}

/** An override is trusted, so an undefined runtime in it is offered although no sensor can start with it. */
function unknownNames(named: readonly string[], { judged }: SensorRuntimes): readonly Finding[] {
  return named
    .filter((name) => name !== nativeRuntime && name !== builtinRuntime)
    .filter((name) => !judged.some((runtime) => runtime.name === name))
    .map((name) =>
      wrong(`runtime ${name}`, "named by an override, but no row of the table runtime defines it", {
        remedy: "correct the name or insert the row",
      }),
    );
}
