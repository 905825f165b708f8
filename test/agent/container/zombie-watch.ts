/**
 * Looks into containers for zombies, again and again beside a test.
 *
 * Not by `docker top`: the engine asks the control group, which leaves out zombies. A container's own `/proc` has
 * them, and root sees it from outside, where the engine runs on this machine.
 *
 * Every process is a zombie between its end and being waited for. So only what is seen in several rounds in a row
 * counts; the same goes for a running container that does not show its processes, since it may be just ending.
 */
import { readdir, readFile } from "node:fs/promises";
import { systemClock } from "../../../src/time/clock.ts";
import type { Docker } from "./docker.ts";

const pauseMs = 500;
const roundsMin = 3;

export class ZombieWatch implements AsyncDisposable {
  /** What stayed: zombies, and containers that could not be looked into. */
  readonly found = new Set<string>();
  readonly #docker: Docker;
  readonly #containers: readonly string[];
  readonly #end = new AbortController();
  readonly #watching: Promise<void>;

  constructor(docker: Docker, containers: readonly string[]) {
    this.#docker = docker;
    this.#containers = containers;
    this.#watching = this.#watch();
    // Disposing reports it.
    this.#watching.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#watching;
  }

  async #watch(): Promise<void> {
    let rounds = new Map<string, number>();
    while (!this.#end.signal.aborted) {
      const seen = (
        await Promise.all(this.#containers.map(async (container) => this.#look(container)))
      ).flat();
      rounds = new Map(seen.map((finding) => [finding, (rounds.get(finding) ?? 0) + 1]));
      for (const [finding, count] of rounds) if (count >= roundsMin) this.found.add(finding);
      await systemClock.sleep(pauseMs, this.#end.signal);
    }
  }

  async #look(container: string): Promise<readonly string[]> {
    const state = await this.#docker.attempt(
      "inspect",
      "--format={{.State.Running}} {{.State.Pid}}",
      container,
    );
    const [isRunning, pid] = state.stdout.trim().split(" ");
    if (isRunning !== "true") return [];
    const own = `/proc/${pid}/root/proc`;
    try {
      const pids = (await readdir(own)).filter((name) => /^\d+$/.test(name));
      const processes = await Promise.all(pids.map(async (each) => statOf(`${own}/${each}`)));
      return processes.filter((text) => /^\d+ \(.*\) Z /s.test(text)).map((text) => `${container} ${text}`);
    } catch (error) {
      return [`${container} runs, and shows no processes: ${String(error)}`];
    }
  }
}

/** "" for a process that has gone since it was listed. */
async function statOf(directory: string): Promise<string> {
  return readFile(`${directory}/stat`, "utf8").catch(() => "");
}
