/** The sensor of the pack logwatch as a real process, on a log in a folder of its own. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";
import { startSensor, type SensorProgram } from "../../support/sensor-program.ts";

export const waiting = { timeout: 20_000, interval: 20 };

export async function logFile(content?: string | Buffer, name = "app.log"): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "attune-logwatch-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, name);
  if (content !== undefined) await writeFile(path, content);
  return path;
}

export function follow(path: string, checkpoint?: JsonValue, config: JsonObject = {}): SensorProgram {
  return startSensor({
    pack: "logwatch",
    interpreter: ["python3"],
    entrypoint: "lines.py",
    config: { path, ...config },
    triggers: ["logwatch.line", "logwatch.gap"],
    ...(checkpoint === undefined ? {} : { checkpoint }),
  });
}

/** What the lines that it reported say. */
export function linesOf({ printed }: SensorProgram): readonly unknown[] {
  return payloadsOf(printed.filter((event) => !("trigger_ref" in event))).map(({ line }) => line);
}

/** The gaps that it reported. */
export function gapsOf({ printed }: SensorProgram): readonly JsonObject[] {
  return payloadsOf(printed.filter(({ trigger_ref: trigger }) => trigger === "logwatch.gap"));
}

function payloadsOf(printed: readonly JsonObject[]): readonly JsonObject[] {
  return printed.flatMap(({ payload }) => (payload === undefined ? [] : [payload as JsonObject]));
}

export function expectLines(sensor: SensorProgram, lines: readonly string[]): Promise<void> {
  return expect.poll(() => linesOf(sensor), waiting).toEqual(lines);
}

/** The checkpoint that the agent would hand to the next start. */
export function lastCheckpoint({ printed }: SensorProgram): JsonValue | undefined {
  return printed.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint])).at(-1);
}

/** Follows the log until these lines were reported, stops, and returns the checkpoint. */
export async function followUntil(
  path: string,
  lines: readonly string[],
  config: JsonObject = {},
): Promise<JsonValue> {
  await using sensor = follow(path, undefined, config);
  await expectLines(sensor, lines);
  return lastCheckpoint(sensor) ?? null;
}
