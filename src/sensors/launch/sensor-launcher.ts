/**
 * Starts a sensor's process: finds its script, interpreter and runtime environment. Anything missing is returned as a
 * reason for the operator, not thrown.
 */
import { isAbsolute, join } from "node:path";
import { errorOf, messageOf } from "../../errors/caught.ts";
import { makeDirectory } from "../../files/make-directory.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { RuntimeAnswer } from "../../model/runtimes/runtime-offer.ts";
import { startChild, type Child } from "../../processes/child.ts";
import type { ProcessGuard } from "../../processes/guard.ts";
import { explainSpawnFailure } from "../../processes/spawn-failure.ts";
import type { Clock } from "../../time/clock.ts";
import type { AssignedSensor } from "../assigned-sensor.ts";
import { sensorFileName } from "../sensor-file-name.ts";
import { sensorVariables, type AgentVariables, type Variables } from "./sensor-variables.ts";
import { decodeExecutionConfig } from "./execution-config.ts";
import { fitVariables } from "./oversized-variables.ts";
import { EnvironmentMaker } from "./environment-creation.ts";
import { findRuntimeEnvironment } from "./runtime-environment.ts";
import { findScript } from "./script-path.ts";
import { StartPacer } from "./start-pacer.ts";

export interface SensorDirectories {
  readonly packsBaseDir: string;
  readonly runtimeEnvsDir: string;
  readonly artifactsDir: string;
  /** Each sensor gets a folder of its own in it. */
  readonly statesDir: string;
  /** For values that are too large for a variable. */
  readonly temporaryDir: string;
}

export interface LauncherOptions {
  readonly directories: SensorDirectories;
  readonly agentVariables: AgentVariables;
  readonly passthrough: readonly string[];
  readonly logLevel: string;
  readonly logFormat: string;
  readonly guard: ProcessGuard;
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly clock: Clock;
}

export interface LaunchRequest {
  readonly sensor: AssignedSensor;
  readonly runtime: RuntimeAnswer;
  readonly checkpoint: JsonValue | undefined;
  /** The variable, as `NAME=value`, by which descendants are found. */
  readonly marker: string;
  /** Whether each end of the process also looks for descendants that left its group. */
  readonly isMarkerSought: boolean;
  /** Variables in addition to those of every sensor. */
  readonly variables: Variables;
  readonly onWarning: (warning: string) => void;
  /** Writes to the sensor's own log. */
  readonly log: (lines: readonly string[]) => void;
  readonly signal: AbortSignal;
}

export type Launch =
  | { readonly kind: "started"; readonly child: Child }
  | { readonly kind: "unstarted"; readonly reason: string };

/** More than a hundred starts a second would occupy the event loop entirely. */
const startPace = { burst: 10, intervalMs: 10 };

export class SensorLauncher {
  readonly #options: LauncherOptions;
  readonly #environments: EnvironmentMaker;
  readonly #pacer: StartPacer;
  #markers = 0;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#environments = new EnvironmentMaker(options.clock);
    this.#pacer = new StartPacer(options.clock, startPace);
  }

  /** Where a sensor keeps what it needs to know after a restart on this machine. */
  stateDirOf(ref: string): string {
    return join(this.#options.directories.statesDir, sensorFileName(ref));
  }

  /** For files that a program is to read. */
  get temporaryDir(): string {
    return this.#options.directories.temporaryDir;
  }

  /** A variable, as `NAME=value`, that no other process has. */
  newMarker(): string {
    this.#markers += 1;
    return `${this.#options.guard.markerPrefix}${this.#markers}`;
  }

  async launch(request: LaunchRequest): Promise<Launch> {
    const { signal } = request;
    await this.#pacer.turn(signal);
    if (signal.aborted) return unstarted("it was stopped first");
    const { sensor, runtime: answer, checkpoint, marker, isMarkerSought, onWarning, log } = request;
    const { directories, agentVariables, passthrough, logLevel, logFormat, guard, graceMs } = this.#options;
    const { packsBaseDir, runtimeEnvsDir, artifactsDir, statesDir, temporaryDir } = directories;
    const { definition, rules } = sensor;
    const { packRef, entrypoint } = definition;
    if (answer.kind === "unavailable") {
      return unstarted(`this worker does not offer the runtime ${definition.runtimeRef}: ${answer.reason}`);
    }

    const { runtime } = answer;
    const isNative = runtime.interpreter === null;
    const script = await findScript({ packsBaseDir, packRef, entrypoint, isNative });
    if (script.kind === "refused") return unstarted(script.reason);

    const config = decodeExecutionConfig(runtime.executionConfig);
    const question = { runtimeEnvsDir, packRef, packDir: script.packDir, runtime, config };
    const warnings = await this.#environments.prepare({
      ...question,
      agentVariables,
      passthrough,
      temporaryDir,
      guard,
      marker: this.newMarker(),
      log,
      signal,
    });
    if (signal.aborted) return unstarted("it was stopped first");
    for (const warning of warnings) onWarning(warning);
    const found = await findRuntimeEnvironment(question);
    for (const warning of found.warnings) onWarning(warning);

    const [markerName = "", markerValue = ""] = marker.split("=");
    const facts = {
      agent: agentVariables,
      passthrough,
      logLevel,
      logFormat,
      artifactsDir,
      stateDir: await stateDirectory(statesDir, definition.ref, log),
      sensor: definition,
      rules,
      checkpoint,
    };
    const variables = {
      ...sensorVariables({ ...facts, changes: found.changes, ofKind: request.variables }),
      [markerName]: markerValue,
    };
    const fitted = await fitVariables(variables, temporaryDir).catch((error: unknown) => errorOf(error));
    if (fitted instanceof Error) {
      return unstarted(
        `a value over 100 KiB for its environment cannot be put into a file: ${fitted.message}; ` +
          `give the agent a writable TMPDIR`,
      );
    }

    const command = {
      file: found.interpreter ?? script.path,
      args: found.interpreter === null ? [] : [...runtime.interpreterArgs, script.path],
      cwd: script.packDir,
      env: fitted.variables,
      graceMs,
      ...(isMarkerSought ? { marker } : {}),
    };
    const start = await startChild({ ...command, file: absolute(command.file) });
    if (start.kind === "unstarted") {
      await fitted[Symbol.asyncDispose]();
      return unstarted(explainSpawnFailure(command, start.cause));
    }
    guard.watch(start.child);
    void removeAfter(start.child, fitted);
    return start;
  }
}

/** A sensor that keeps nothing needs none, so that one that cannot be made is a line in its log. */
async function stateDirectory(
  statesDir: string,
  ref: string,
  log: LaunchRequest["log"],
): Promise<string | undefined> {
  const path = join(statesDir, sensorFileName(ref));
  try {
    await makeDirectory(path, 0o700);
    return path;
  } catch (error) {
    log([`it gets no ATTUNE_SENSOR_STATE_DIR: ${messageOf(error)}`]);
    return undefined;
  }
}

async function removeAfter(child: Child, files: AsyncDisposable): Promise<void> {
  await child.closed;
  try {
    await files[Symbol.asyncDispose]();
  } catch {
    // A leftover in the temporary folder is harmless.
  }
}

/** Absolute, because the child runs in another folder. */
function absolute(file: string): string {
  return isAbsolute(file) || !file.includes("/") ? file : join(process.cwd(), file);
}

function unstarted(reason: string): Launch {
  return { kind: "unstarted", reason };
}
