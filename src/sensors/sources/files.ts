/**
 * The built-in sensor of files: each of its rules names a place, and changes there are events aimed at the rule.
 *
 * It reads its rules at the start and whenever they change, and runs until it is stopped. A rule that cannot be watched for is
 * named in a warning and disturbs no other.
 */
import { once } from "node:events";
import { Changes } from "../../concurrency/changes.ts";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { messageOf } from "../../errors/caught.ts";
import type { SensorRule } from "../../model/definitions.ts";
import type { Id } from "../../model/identifiers.ts";
import type { JsonObject } from "../../model/json/json.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import { anyWorker, decodeWorkerSelector } from "../../model/sensors/worker-selector.ts";
import { FileWatches, type FileMetrics } from "../files/file-watches.ts";
import type { FileWatching } from "../files/file-watching.ts";
import type { Source, SourceContext } from "./source.ts";

export interface FilesOptions {
  /** The sensor's; `selector` names the workers that its rules select. */
  readonly config: JsonObject;
  readonly watching: FileWatching;
  readonly metrics: FileMetrics;
  readonly stateDir: string;
  /** The sensor's rules now. Rejects while the database cannot be asked. */
  readonly readRules: () => Promise<readonly SensorRule[]>;
  /** Which of these rules exist, enabled or not. */
  readonly existingRules: (ruleIds: readonly Id[]) => Promise<readonly Id[]>;
  readonly random: () => number;
}

const startingMsMax = 10_000;
const removingMsMax = 2_000;
const retry = { delayMsFirst: 1_000, delayMsMax: 30_000 };

export class FilesSource implements Source {
  readonly #options: FilesOptions;
  readonly #rulesChanged = new Changes();
  #hasUnreadChanges = false;

  constructor(options: FilesOptions) {
    this.#options = options;
  }

  nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  noteRulesChanged(): void {
    this.#hasUnreadChanges = true;
    this.#rulesChanged.note();
  }

  deafSeconds(): number | undefined {
    return undefined;
  }

  async close(): Promise<void> {}

  async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping } = context;
    const { config, watching, metrics, stateDir, existingRules } = this.#options;
    const selector = decodeWorkerSelector(config["selector"] ?? {});
    const watches = new FileWatches({
      context,
      watching,
      metrics,
      stateDir,
      existingRules,
      selector: selector.kind === "valid" ? selector.value : anyWorker,
    });
    const beganMs = clock.monotonicMs();
    const end = (): void => this.#rulesChanged.note();
    stopping.addEventListener("abort", end, { once: true });
    let failure: Error | undefined;
    const noteFailure = async (): Promise<void> => {
      failure = await watches.failed.promise;
      end();
    };
    void noteFailure();
    try {
      await this.#follow(context, watches, () => failure !== undefined);
    } finally {
      stopping.removeEventListener("abort", end);
      await watches.close();
    }
    // The last rule of this sensor may have been deleted.
    await settlesWithin(removeStates(watches), removingMsMax);
    const reason = failure === undefined ? "it was stopped" : `it cannot go on: ${messageOf(failure)}`;
    return {
      exit: { kind: "unstarted", reason },
      uptimeMs: clock.monotonicMs() - beganMs,
      hadSuccess: false,
    };
  }

  async #follow(context: SourceContext, watches: FileWatches, hasFailed: () => boolean): Promise<void> {
    const { stopping, noteRunning, noteObstacle, clock } = context;
    let failures = 0;
    let isWatching = false;
    while (!stopping.aborted && !hasFailed()) {
      this.#hasUnreadChanges = false;
      try {
        await watches.apply(await this.#options.readRules());
      } catch (error) {
        failures += 1;
        const waitMs = Math.round(backoffDelayMs(failures, retry, this.#options.random()));
        isWatching = false;
        noteObstacle(messageOf(error), waitMs);
        await clock.sleep(waitMs, stopping);
        continue;
      }
      failures = 0;
      await removeStates(watches);
      if (!isWatching) {
        // Until everything has been looked at once, unless that takes long.
        const wait = Promise.race([watches.begun(), abortOf(stopping)]);
        await settlesWithin(wait, startingMsMax);
        noteRunning({});
      }
      isWatching = true;
      while (!this.#hasUnreadChanges && !stopping.aborted && !hasFailed()) await this.#rulesChanged.next();
    }
  }
}

/** What cannot be removed now is removed after another change, or at another start. */
async function removeStates(watches: FileWatches): Promise<void> {
  await watches.removeForgottenStates().catch(() => {});
}

async function abortOf(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, "abort");
}
