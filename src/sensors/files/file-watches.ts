/**
 * The rules of one file sensor and their trees. Rules on the same place share a tree. A changed rule affects only its own
 * tree.
 */
import { join } from "node:path";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { messageOf } from "../../errors/caught.ts";
import type { SensorRule } from "../../model/definitions.ts";
import { isAllowedPath } from "../../model/files/allowed-paths.ts";
import type { FoundBy } from "../../model/files/file-change.ts";
import { decodeFilePlan, type FilePlan } from "../../model/files/file-plan.ts";
import type { Id } from "../../model/identifiers.ts";
import { selectorKey, type WorkerSelector } from "../../model/sensors/worker-selector.ts";
import type { SourceContext } from "../sources/source.ts";
import type { FileWatching } from "./file-watching.ts";
import { removeForgottenStates, stateFileOf } from "./forgotten-states.ts";
import { FolderTree } from "./folder-tree.ts";
import { RuleState, type PreparedEvent } from "./rule-state.ts";
import { RuleWatch } from "./rule-watch.ts";
import type { RescanReason } from "./watch-mode.ts";

/** Satisfied by telemetry/metrics.ts. */
export interface FileMetrics {
  readonly fileChanged: (foundBy: FoundBy) => void;
  readonly filesRescanned: (reason: RescanReason) => void;
}

export interface FileWatchesOptions {
  readonly context: SourceContext;
  readonly watching: FileWatching;
  readonly metrics: FileMetrics;
  readonly stateDir: string;
  /** Which of these rules exist, enabled or not. */
  readonly existingRules: (ruleIds: readonly Id[]) => Promise<readonly Id[]>;
  /** The rules that select the same workers belong to this sensor. */
  readonly selector: WorkerSelector;
}

interface RunningTree {
  readonly exclude: () => void;
  readonly tree: FolderTree;
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}

interface RunningRule {
  /** What it was started with. */
  readonly params: string;
  readonly watch: RuleWatch;
  readonly running: RunningTree;
  readonly treeKey: string;
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}

const endLimitMs = 5_000;

export class FileWatches {
  readonly #options: FileWatchesOptions;
  readonly #trees = new Map<string, RunningTree>();
  readonly #rules = new Map<Id, RunningRule>();
  /** Settles when a tree or a rule fails, which only a bug or the disk of the state directory can cause. */
  readonly failed = Promise.withResolvers<Error>();
  readonly #forget: () => void;

  constructor(options: FileWatchesOptions) {
    this.#options = options;
    this.#forget = options.watching.whenInDoubt(() => {
      for (const { tree } of this.#trees.values()) tree.doubt();
    });
  }

  /** Watches for these rules and no others. */
  async apply(rules: readonly SensorRule[]): Promise<void> {
    const wanted = new Map<Id, readonly [SensorRule, FilePlan, string]>();
    for (const rule of rules) {
      const plan = this.#planOf(rule);
      if (plan !== undefined) wanted.set(rule.id, [rule, plan, JSON.stringify(rule.triggerParams)]);
    }
    const leaving = [...this.#rules].filter(([id, { params }]) => wanted.get(id)?.[2] !== params);
    await Promise.all(leaving.map(([id]) => this.#end(id)));
    for (const [id, [rule, plan, params]] of wanted) {
      if (!this.#rules.has(id)) this.#begin(rule, plan, params);
    }
    for (const [key, { tree }] of this.#trees) if (tree.isForsaken) await this.#fell(key);
  }

  /** Resolves when every rule knows the present files, and so notices all later changes. */
  async begun(): Promise<void> {
    await Promise.all([...this.#rules.values()].map(({ watch }) => watch.begun));
  }

  /** Rejects if the database or the folder of states cannot be used now. */
  async removeForgottenStates(): Promise<void> {
    const { stateDir, existingRules } = this.#options;
    await removeForgottenStates(stateDir, (id) => this.#rules.has(id), existingRules);
  }

  async close(): Promise<void> {
    this.#forget();
    await Promise.all([...this.#rules.keys()].map((id) => this.#end(id)));
    await Promise.all([...this.#trees.keys()].map((key) => this.#fell(key)));
  }

  #planOf(rule: SensorRule): FilePlan | undefined {
    const { selector, watching, context } = this.#options;
    const plan = decodeFilePlan(rule.triggerParams);
    if (plan.kind === "invalid") {
      context.warn(
        `rule ${rule.ref} watches nothing: its trigger_params are not understood: ${plan.problem}`,
      );
      return undefined;
    }
    if (selectorKey(plan.value.selector) !== selectorKey(selector)) return undefined;
    const { base } = plan.value;
    if (isAllowedPath(base, watching.allowedPaths)) return plan.value;
    context.warn(
      `rule ${rule.ref} watches nothing: ${base} is outside of the folders that sensor.file_paths allows on this worker: ${watching.allowedPaths.join(", ")}`,
    );
    return undefined;
  }

  #begin(rule: SensorRule, plan: FilePlan, params: string): void {
    const { context, watching, metrics, stateDir } = this.#options;
    const treeKey = JSON.stringify([plan.base, `${plan.depthMax}`, plan.polling]);
    const running = this.#trees.get(treeKey) ?? this.#grow(treeKey, plan);
    const hasState = plan.reportsMissed || plan.reportsExisting || plan.tails;
    const watch = new RuleWatch({
      rule,
      plan,
      tree: running.tree,
      state: hasState ? new RuleState(join(stateDir, stateFileOf(rule.id)), plan.base) : null,
      fileSystem: watching.fileSystem,
      clock: context.clock,
      submit: (event, onSettled) => submitFor(rule, event, onSettled, context),
      warn: context.warn,
      onFound: ({ foundBy }) => metrics.fileChanged(foundBy),
    });
    const ending = new AbortController();
    const ended = watch.run(ending.signal).catch((error: unknown) => this.#fail(error));
    this.#rules.set(rule.id, { params, watch, running, treeKey, ending, ended });
    running.tree.follow(watch);
  }

  #grow(treeKey: string, plan: FilePlan): RunningTree {
    const { context, watching, metrics } = this.#options;
    const { clock, warn } = context;
    const tree = new FolderTree({
      base: plan.base,
      depthMax: plan.depthMax,
      polling: plan.polling,
      fileSystem: watching.fileSystem,
      clock,
      isAllowed: (realPath) => isAllowedPath(realPath, watching.allowedPaths),
      onHint: () => watching.burst.note(clock.monotonicMs()),
      onRescan: metrics.filesRescanned,
      warn,
    });
    const ending = new AbortController();
    // Begins when its first follower has joined.
    const ended = Promise.resolve()
      .then(() => tree.run(ending.signal))
      .catch((error: unknown) => this.#fail(error));
    const running = { tree, ending, ended, exclude: watching.include(tree) };
    this.#trees.set(treeKey, running);
    return running;
  }

  async #end(id: Id): Promise<void> {
    const rule = this.#rules.get(id);
    if (rule === undefined) return;
    this.#rules.delete(id);
    rule.running.tree.leave(rule.watch);
    rule.ending.abort();
    // A file system that does not answer must not delay the stop.
    await settlesWithin(
      rule.ended.then(() => rule.watch.close()),
      endLimitMs,
    );
  }

  async #fell(key: string): Promise<void> {
    const running = this.#trees.get(key);
    if (running === undefined) return;
    this.#trees.delete(key);
    running.exclude();
    running.ending.abort();
    await settlesWithin(running.ended, endLimitMs);
  }

  #fail(error: unknown): void {
    this.failed.resolve(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

function submitFor(
  rule: SensorRule,
  { payload, dedupKey }: PreparedEvent,
  onSettled: () => void,
  { submit, noteOutput }: SourceContext,
): Promise<boolean> | boolean {
  noteOutput();
  const text = JSON.stringify(payload);
  return submit({
    event: {
      triggerRef: rule.triggerRef,
      payload,
      triggerInstanceId: `rule_${rule.id}`,
      dedupKey,
      occurredAt: null,
      checkpoint: undefined,
    },
    bytes: text.length,
    title: text,
    onOutcome: (outcome) => {
      if (outcome !== undefined && outcome.kind !== "fenced") onSettled();
    },
  });
}
