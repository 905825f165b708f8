/** An example pack's sensor, run as the agent would run it: a real process with its variables. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { JsonObject, JsonValue } from "../../src/model/json/json.ts";

const packs = fileURLToPath(new URL("../../packs/", import.meta.url));

export interface SensorStart {
  readonly pack: string;
  /** The interpreter and its arguments; none for a native sensor. */
  readonly interpreter: readonly string[];
  readonly entrypoint: string;
  readonly config: JsonObject;
  readonly checkpoint?: JsonValue;
  /** The triggers that it serves, as the agent passes them. */
  readonly triggers?: readonly string[];
  readonly path?: string;
}

export interface SensorProgram extends AsyncDisposable {
  readonly pid: number;
  /** The lines printed so far, parsed. */
  readonly printed: readonly JsonObject[];
  readonly stderr: () => string;
  /** Resolves with the exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  kill(signal: NodeJS.Signals): void;
}

export function startSensor({
  pack,
  interpreter,
  entrypoint,
  config,
  checkpoint,
  triggers,
  path,
}: SensorStart): SensorProgram {
  const cwd = `${packs}${pack}`;
  const [file, ...args] = [...interpreter, `${cwd}/sensors/${entrypoint}`];
  const settings = Object.entries(config).map(([key, value]) => [
    `ATTUNE_SENSOR_CONFIG_${key.toUpperCase()}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  const child = spawn(file, args, {
    cwd,
    env: {
      PATH: path ?? process.env["PATH"],
      ATTUNE_SENSOR_CONFIG_JSON: JSON.stringify(config),
      ...Object.fromEntries(settings),
      ...(triggers === undefined ? {} : { ATTUNE_SENSOR_TRIGGER_TYPES: JSON.stringify(triggers) }),
      ...(checkpoint === undefined ? {} : { ATTUNE_SENSOR_CHECKPOINT: JSON.stringify(checkpoint) }),
    },
  });
  const printed: JsonObject[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => printed.push(JSON.parse(line) as JsonObject));
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = once(child, "close").then(() => child.exitCode ?? child.signalCode ?? 0);
  return {
    pid: child.pid ?? 0,
    printed,
    stderr: () => stderr,
    ended,
    kill: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
