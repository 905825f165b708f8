/**
 * Rotations of every kind in random order, while the sensor runs and while it does not.
 *
 * Goal: every line that is in a readable file when the sensor gets to it is reported exactly once and in order; and
 * what is lost is reported as a gap.
 * Method: a model knows which lines are on disk. The sensor is killed at random, and of what it printed since its start
 * a random part counts as stored: with that part's checkpoint it starts again, as under the agent.
 */
import { stat, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import type { JsonObject, JsonValue } from "../../../src/model/json/json.ts";
import { seededRandom, type SeededRandom } from "../../support/seeded-random.ts";
import type { SensorProgram } from "../../support/sensor-program.ts";
import { LogWorld } from "./log-world.ts";
import { follow, logFile, waiting } from "./logwatch.ts";

const steps = 80;

/** The sensor over its starts, as the agent sees it. */
class Following implements AsyncDisposable {
  readonly stored: JsonObject[] = [];
  readonly #path: string;
  readonly #random: SeededRandom;
  #sensor: SensorProgram | undefined;

  constructor(path: string, random: SeededRandom) {
    this.#path = path;
    this.#random = random;
  }

  get isRunning(): boolean {
    return this.#sensor !== undefined;
  }

  start(): void {
    this.#sensor = follow(this.#path, this.#checkpoint(), { initial_lines: 0 });
  }

  /** @param isAllStored else a random part of what it printed */
  async stop(isAllStored: boolean): Promise<void> {
    const sensor = this.#sensor;
    if (sensor === undefined) return;
    this.#sensor = undefined;
    sensor.kill(isAllStored ? "SIGTERM" : "SIGKILL");
    await sensor.ended;
    const count = isAllStored ? Infinity : this.#random.between(0, sensor.printed.length + 1);
    this.stored.push(...sensor.printed.slice(0, count));
    expect(sensor.stderr()).not.toContain("Traceback");
  }

  /** Waits until this line was reported, or one behind it. */
  async reaches(line: number): Promise<void> {
    const last = (): number => numbersIn([...this.stored, ...(this.#sensor?.printed ?? [])]).at(-1) ?? 0;
    await expect.poll(last, waiting).toBeGreaterThanOrEqual(line);
  }

  async hasBegun(): Promise<void> {
    await expect.poll(() => this.#sensor?.printed.length, waiting).toBe(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sensor?.[Symbol.asyncDispose]();
  }

  #checkpoint(): JsonValue | undefined {
    return this.stored.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint])).at(-1);
  }
}

function numbersIn(events: readonly JsonObject[]): readonly number[] {
  return events.flatMap(({ payload }) => {
    const line = (payload as JsonObject | undefined)?.["line"];
    const found = typeof line === "string" ? /^line (\d+) x+$/.exec(line) : null;
    return found === null ? [] : [Number(found[1])];
  });
}

test.each([
  ["nothing is destroyed", false],
  ["files are deleted and emptied, too", true],
])(
  "random rotations, stops and starts, in which %s",
  { timeout: 180_000, repeats: 3 },
  async (_, destroys) => {
    const random = seededRandom();
    const path = await logFile("");
    await using world = new LogWorld(path, random, !destroys);
    await using following = new Following(path, random);
    following.start();
    await following.hasBegun();
    // It is unknown whether a file that was never read contained a line.
    await world.write();
    await following.reaches(world.written);
    await following.stop(true);
    const done: string[] = [`ATTUNE_TEST_SEED=${random.seed}`, world.toString()];
    const actions: Record<string, () => Promise<void> | void> = {
      write: async () => world.write(),
      reopen: async () => world.reopen(),
      rename: async () => world.rotateByRename(),
      "rename and reopen": async () => {
        await world.rotateByRename();
        await world.reopen();
      },
      copytruncate: async () => world.rotateByCopy(),
      compress: async () => world.compress(),
      "start or kill": async () => (following.isRunning ? following.stop(false) : following.start()),
      "catch up": async () => {
        if (following.isRunning) await following.reaches(world.lastReadable);
      },
      ...(destroys && { empty: async () => world.empty(), delete: async () => world.deleteOldest() }),
    };
    const names = Object.keys(actions);

    for (let step = 0; step < steps; step += 1) {
      const name = random.next() < 0.3 ? "write" : (names[Math.floor(random.between(0, names.length))] ?? "");
      done.push(`${name} (${world.written})`);
      await actions[name]?.();
      await nextInstant(`${path}.clock`);
    }
    if (!following.isRunning) following.start();
    await world.reopen();
    await world.write();
    await following.reaches(world.written);
    await following.stop(true);

    const reported = new Set(numbersIn(following.stored));
    const destroyed = new Set(world.destroyed.flat());
    const expected = Array.from({ length: world.written }, (__, index) => index + 1).filter(
      (line) => !destroyed.has(line) || reported.has(line),
    );
    expect(numbersIn(following.stored), done.join(", ")).toEqual(expected);
    const gaps = following.stored.filter(({ trigger_ref: trigger }) => trigger === "logwatch.gap");
    // A file that came and went unseen cannot be missed; of one that was read in part, the rest is.
    const mustBeMissed = world.destroyed.some(
      (lines) => lines.some((line) => reported.has(line)) && lines.some((line) => !reported.has(line)),
    );
    if (mustBeMissed) expect(gaps, done.join(", ")).not.toEqual([]);
    if (!destroys) expect(gaps, done.join(", ")).toEqual([]);
  },
);

let instantMs = 0;

/** Resolves once the clock of files has moved on: what is done next is later by it. */
async function nextInstant(path: string): Promise<void> {
  const now = async (): Promise<number> => {
    await writeFile(path, "");
    return (await stat(path)).mtimeMs;
  };
  await expect.poll(now, { timeout: 5_000, interval: 1 }).toBeGreaterThan(instantMs);
  instantMs = await now();
}
