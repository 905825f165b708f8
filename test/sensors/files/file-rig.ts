/** The sensor of files on a real folder, with everything around it recorded. */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { SensorRule } from "../../../src/model/definitions.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";
import type { AcceptOutcome } from "../../../src/model/sensors/incoming-event.ts";
import type { EndedRun } from "../../../src/model/sensors/restart-policy.ts";
import { systemFileSystem, type FileSystem } from "../../../src/sensors/files/file-system.ts";
import { FileWatching } from "../../../src/sensors/files/file-watching.ts";
import { FilesSource } from "../../../src/sensors/sources/files.ts";
import type { BuiltinSubmission } from "../../../src/sensors/sources/source.ts";
import { systemClock } from "../../../src/time/clock.ts";

export interface RigOptions {
  readonly fileSystem?: (real: FileSystem) => FileSystem;
  readonly config?: JsonObject;
  /** Answers each submission; by default it is stored. */
  readonly submit?: (submission: BuiltinSubmission) => Promise<boolean> | boolean;
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Remembers dedup_keys as the database does, beyond the sources that are started with it. */
export function fileRig(options: RigOptions = {}) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "attune-files-")));
  const stateDir = mkdtempSync(join(tmpdir(), "attune-files-state-"));
  const rules: SensorRule[] = [];
  const events: { readonly rule: string; readonly payload: JsonObject }[] = [];
  /** Rules that exist although the sensor is not told of them. */
  const disabled = new Set<string>();
  const keys = new Set<string>();
  const warnings: string[] = [];
  const found = { watch: 0, rescan: 0 };
  const rescans: string[] = [];
  let duplicates = 0;
  let added = 0;

  const store = ({ event, onOutcome }: BuiltinSubmission): boolean => {
    const key = event.dedupKey ?? "";
    const outcome: AcceptOutcome = { kind: keys.has(key) ? "duplicate" : "stored", eventId: "1" };
    if (outcome.kind === "duplicate") duplicates += 1;
    else events.push({ rule: event.triggerInstanceId ?? "", payload: event.payload });
    keys.add(key);
    queueMicrotask(() => onOutcome(outcome));
    return true;
  };

  let watching: FileWatching | undefined;
  const start = () => {
    const stopping = new AbortController();
    const real = systemFileSystem();
    const source = new FilesSource({
      config: options.config ?? {},
      watching: (watching = new FileWatching([folder], options.fileSystem?.(real) ?? real)),
      metrics: {
        fileChanged: (foundBy) => void (found[foundBy] += 1),
        filesRescanned: (reason) => void rescans.push(reason),
      },
      stateDir,
      readRules: async () => [...rules],
      existingRules: async (ids) =>
        ids.filter((id) => disabled.has(id) || rules.some((rule) => rule.id === id)),
      random: () => 0,
    });
    const running = Promise.withResolvers<void>();
    const ended = source.run({
      output: { take: () => true, flush: () => {} },
      submit: (submission) => options.submit?.(submission) ?? store(submission),
      checkpoint: async () => undefined,
      clock: systemClock,
      stopping: stopping.signal,
      abandoned: new AbortController().signal,
      noteRunning: () => running.resolve(),
      noteObstacle: (reason) => void warnings.push(reason),
      noteFacts: () => {},
      noteOutput: () => {},
      log: () => {},
      warn: (warning) => void warnings.push(warning),
    });
    return {
      source,
      running: running.promise,
      ended,
      async stop() {
        stopping.abort();
        await ended;
      },
    };
  };
  let current: ReturnType<typeof start> | undefined;

  return {
    folder,
    stateDir,
    rules,
    events,
    warnings,
    found,
    rescans,
    store,
    duplicates: () => duplicates,
    polledPlaces: () => [...(watching?.polledPlaces() ?? [])],
    path: (...names: string[]) => join(folder, ...names),

    /** Adds a rule on the folder, or on what the params say. */
    add(params: JsonObject = {}): SensorRule {
      added += 1;
      const id = `${added}`;
      const rule = {
        id,
        ref: `test.rule${id}`,
        triggerRef: "core.file_changed",
        triggerParams: { path: folder, debounce_seconds: 0.05, ...params },
      };
      rules.push(rule);
      current?.source.noteRulesChanged();
      return rule;
    },
    disable(rule: SensorRule): void {
      disabled.add(rule.id);
      this.remove(rule);
    },
    remove(rule: SensorRule): void {
      rules.splice(rules.indexOf(rule), 1);
      current?.source.noteRulesChanged();
    },
    change(rule: SensorRule, params: JsonObject): void {
      rules[rules.indexOf(rule)] = { ...rule, triggerParams: { ...rule.triggerParams, ...params } };
      current?.source.noteRulesChanged();
    },

    async start(): Promise<void> {
      current = start();
      await current.running;
    },
    async stop(): Promise<void> {
      await current?.stop();
      current = undefined;
    },
    /** Resolves when the sensor ends without having been stopped. */
    async ended(): Promise<EndedRun> {
      if (current === undefined) throw new Error("it does not run");
      return current.ended;
    },

    /** The events as `type name`, with the old name of moves. */
    seen(rule?: SensorRule): readonly string[] {
      return events
        .filter((event) => rule === undefined || event.rule === `rule_${rule.id}`)
        .map(({ payload }) => {
          const below = (path: unknown) => textOf(path).slice(folder.length + 1);
          const old = payload["old_path"] === undefined ? "" : ` from ${below(payload["old_path"])}`;
          return `${textOf(payload["event_type"])} ${below(payload["path"])}${old}`;
        });
    },

    /** Waits until these have been seen, in any order, and nothing else. */
    async sees(expected: readonly string[], rule?: SensorRule): Promise<void> {
      await expect
        .poll(() => this.seen(rule).toSorted(), { timeout: 15_000, interval: 20 })
        .toEqual(expected.toSorted());
    },

    async [Symbol.asyncDispose]() {
      await this.stop();
      rmSync(folder, { recursive: true, force: true });
      rmSync(stateDir, { recursive: true, force: true });
    },
  };
}
