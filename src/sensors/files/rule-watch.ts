/**
 * One rule on a tree of files: decides which changes are events, and when.
 *
 *   change ──wanted──▶ pending ──due──▶ recorded ──▶ submitted ──stored, duplicate or refused──▶ settled
 *                         └─ changed again: combined, see model/files/pending-changes.ts
 *
 * Rules that report missed changes, existing files or new lines record on disk what they have reported (rule-state.ts).
 * The record equals the present tree, except that paths with pending changes have their state before these changes.
 *
 * While the pipeline is full, submitting waits, then pending changes fill up, then the tree waits. Nothing is dropped:
 * the tree's next look finds the changes made meanwhile.
 *
 * Which lines of files are new is the matter of tailed-files.ts, and which events are settled that of unsettled-changes.ts.
 */
import { createHash } from "node:crypto";
import { Changes } from "../../concurrency/changes.ts";
import { WorkSlices } from "../../concurrency/work-slices.ts";
import type { SensorRule } from "../../model/definitions.ts";
import {
  eventTypeOf,
  isDifferent,
  pairMoves,
  type FileChange,
  type FileFacts,
} from "../../model/files/file-change.ts";
import { eventsOf, fileEventIdentity, fileEventPayload } from "../../model/files/file-payload.ts";
import { ignoresPath, wantsPath, type FilePlan } from "../../model/files/file-plan.ts";
import { PendingChanges } from "../../model/files/pending-changes.ts";
import type { JsonValue } from "../../model/json/json.ts";
import type { Clock } from "../../time/clock.ts";
import type { FolderTree, TreeFollower } from "./folder-tree.ts";
import type { FileSystem } from "./file-system.ts";
import type { TailedLines } from "./line-tail.ts";
import type { LoadedState, ReachedPosition, RecordedChange, RuleState } from "./rule-state.ts";
import { TailedFiles } from "./tailed-files.ts";
import { isWithin } from "./tree-path.ts";
import { UnsettledChanges, type SubmitFileEvent } from "./unsettled-changes.ts";

export interface RuleWatchOptions {
  readonly rule: SensorRule;
  readonly plan: FilePlan;
  readonly tree: FolderTree;
  /** Null: the rule starts from the files as they are. */
  readonly state: RuleState | null;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly submit: SubmitFileEvent;
  readonly warn: (warning: string) => void;
  /** Called for each change with events. */
  readonly onFound: (change: FileChange) => void;
}

const pendingMax = 50_000;
const takenAtOnce = 500;
const settleWriteMs = 1_000;

/** A folder in place of a file, for a rule on files: the file is deleted. The other way round, it is created. */
function ofFiles(change: FileChange): FileChange {
  const { before, after } = change;
  if (before === null || after === null || before.isDirectory === after.isDirectory) return change;
  return after.isDirectory ? { ...change, after: null } : { ...change, before: null };
}

export class RuleWatch implements TreeFollower {
  readonly #options: RuleWatchOptions;
  readonly #pending: PendingChanges;
  readonly #changes = new Changes();
  /** Null: its lines are no events. */
  readonly #tailed: TailedFiles | null;
  readonly #unsettled: UnsettledChanges;
  readonly #begun = Promise.withResolvers<void>();
  #hasBegun = false;
  #isEnded = false;

  constructor(options: RuleWatchOptions) {
    this.#options = options;
    this.#pending = new PendingChanges(options.plan);
    const { fileSystem, tree, warn, plan, state, submit } = options;
    this.#unsettled = new UnsettledChanges({ state, submit, onSettled: () => this.#changes.note() });
    const follows = (path: string): boolean =>
      isWithin(tree.base, path) && wantsPath(plan, tree.relative(path));
    this.#tailed = plan.tails ? new TailedFiles({ fileSystem, base: tree.base, follows, warn }) : null;
  }

  /** Resolves when it knows the present files. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  ignores(relativePath: string): boolean {
    return ignoresPath(this.#options.plan, relativePath);
  }

  async begin(tree: FolderTree): Promise<void> {
    const { state, plan } = this.#options;
    const loaded = await state?.load();
    if (this.#tailed !== null) await this.#beginTailed(this.#tailed, tree, loaded);
    if (loaded !== undefined && plan.reportsMissed) {
      await this.#noteDifference(tree, loaded.files);
    } else if (loaded === undefined && plan.reportsExisting) {
      await this.#noteDifference(tree, new Map());
    }
    const unsettled = loaded?.unsettled ?? [];
    await state?.rewrite(
      () => this.#reportedFiles(tree),
      () => this.#positions(),
      () => unsettled,
    );
    this.#hasBegun = true;
    this.#begun.resolve();
    for (const change of unsettled) this.#unsettled.expect(change);
    for (const change of unsettled) await this.#unsettled.submit(change);
    this.#changes.note();
  }

  async note(changes: readonly FileChange[]): Promise<void> {
    const { tree, clock, state } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const change of changes) this.#noteOne(change, nowMs);
    this.#changes.note();
    while (this.#pending.size > pendingMax && !this.#isEnded) await this.#changes.next();
    if (state?.hasOutgrown === true) {
      await state.rewrite(
        () => this.#reportedFiles(tree),
        () => this.#positions(),
        () => this.#unsettled.all(),
      );
    }
  }

  /** Submits what is due until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const end = (): void => {
      this.#isEnded = true;
      this.#changes.note();
    };
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    let settledWrittenAtMs = clock.monotonicMs();
    while (!this.#isEnded) {
      const nowMs = clock.monotonicMs();
      if (this.#hasBegun) {
        await this.#submitNewLines(nowMs);
        await this.#submitDue(nowMs);
        if (this.#unsettled.hasSettled && nowMs - settledWrittenAtMs >= settleWriteMs) {
          await this.#unsettled.writeSettled();
          settledWrittenAtMs = nowMs;
        }
      }
      if (signal.aborted) break;
      const dueMs = this.#hasBegun ? [this.#pending.nextMs(), this.#tailed?.nextMs(nowMs)] : [];
      if (this.#unsettled.hasSettled) dueMs.push(settledWrittenAtMs + settleWriteMs);
      const nextMs = Math.min(...dueMs.map((each) => each ?? Number.POSITIVE_INFINITY));
      await this.#rest(nextMs - clock.monotonicMs(), signal);
    }
    signal.removeEventListener("abort", end);
    // What the next start would not find again.
    const { plan, state } = this.#options;
    const isFoundAgain = state !== null && plan.reportsMissed;
    if (!this.#hasBegun || isFoundAgain || plan.settledMs !== null) return;
    while (this.#pending.size > 0) {
      await this.#submitDue(clock.monotonicMs(), true);
    }
  }

  /** What is recorded is written; call it after `run`, when events have had time to settle. */
  async close(): Promise<void> {
    await this.#unsettled.writeSettled();
  }

  async #rest(waitMs: number, signal: AbortSignal): Promise<void> {
    if (waitMs === Number.POSITIVE_INFINITY) await this.#changes.next();
    else if (waitMs > 0) await this.#changes.nextWithin(waitMs, this.#options.clock, signal);
  }

  #noteOne(whole: FileChange, nowMs: number): void {
    const { plan, tree } = this.#options;
    const change = plan.withDirectories ? whole : ofFiles(whole);
    const facts = change.after ?? change.before;
    if (facts?.isDirectory === true && !plan.withDirectories) return;
    const isWanted = wantsPath(plan, tree.relative(change.path));
    const isFromWanted = change.from !== null && wantsPath(plan, tree.relative(change.from));
    if (isWanted) {
      this.#pending.note(isFromWanted ? change : { ...change, from: null, fromFacts: null }, nowMs);
    } else if (isFromWanted && change.from !== null) {
      const { from: path, fromFacts: before, foundBy } = change;
      this.#pending.note({ path, before, after: null, from: null, fromFacts: null, foundBy }, nowMs);
    }
  }

  /** Notes what is different in the tree. Empties the map. */
  async #noteDifference(tree: FolderTree, known: Map<string, FileFacts>): Promise<void> {
    const slices = new WorkSlices();
    const changes: FileChange[] = [];
    const none = { from: null, fromFacts: null, foundBy: "rescan" } as const;
    for (const [path, after] of tree.entries()) {
      const before = known.get(path) ?? null;
      known.delete(path);
      if (before === null || isDifferent(before, after)) changes.push({ path, before, after, ...none });
      await slices.spend(entryWork);
    }
    for (const [path, before] of known) changes.push({ path, before, after: null, ...none });
    const nowMs = this.#options.clock.monotonicMs();
    for (const change of pairMoves(changes)) this.#noteOne(change, nowMs);
  }

  *#reportedFiles(tree: FolderTree): IterableIterator<readonly [string, FileFacts]> {
    const { plan } = this.#options;
    for (const [path, facts] of tree.entries()) {
      if (this.#pending.get(path) === undefined && wantsPath(plan, tree.relative(path))) yield [path, facts];
    }
    for (const { change } of this.#pending.all()) {
      if (change.before !== null) yield [change.path, change.before];
      if (change.from !== null && change.fromFacts !== null) yield [change.from, change.fromFacts];
    }
  }

  /** At the first start files are read from their end, unless what exists is to be reported; later from where they were left. */
  async #beginTailed(tailed: TailedFiles, tree: FolderTree, loaded: LoadedState | undefined): Promise<void> {
    if (loaded !== undefined) tailed.resume(this.#wantedFiles(tree), loaded);
    else if (this.#options.plan.reportsExisting) tailed.beginAtStart(this.#wantedFiles(tree));
    else await tailed.beginAtEnd(this.#wantedFiles(tree));
  }

  *#wantedFiles(tree: FolderTree): IterableIterator<readonly [string, FileFacts]> {
    for (const [path, facts] of tree.entries())
      if (!facts.isDirectory && wantsPath(this.#options.plan, tree.relative(path))) yield [path, facts];
  }

  #positions(): Iterable<ReachedPosition> {
    return this.#tailed?.positions() ?? [];
  }

  async #submitNewLines(nowMs: number): Promise<void> {
    const { state } = this.#options;
    if (this.#tailed === null || state === null) return;
    await this.#tailed.read(nowMs, async (lines) => {
      const change = this.#recordOfLines(state.nextNumber(), lines);
      this.#unsettled.expect(change);
      await state.record([change]);
      await this.#unsettled.submit(change);
      return !this.#isEnded;
    });
  }

  async #submitDue(nowMs: number, isForced = false): Promise<void> {
    const { state } = this.#options;
    await this.#checkSettled(nowMs);
    const ready = this.#pending.take(nowMs, takenAtOnce, isForced || this.#pending.size > pendingMax);
    if (ready.length === 0) return;
    // Without an await in between: a rewrite must find each change either pending or expected.
    const recorded = ready.map(({ change }) => this.#recordOf(change));
    for (const change of recorded) this.#unsettled.expect(change);
    for (const { change } of ready) this.#tailed?.note(change);
    await state?.record(recorded);
    this.#changes.note();
    for (const change of recorded) await this.#unsettled.submit(change);
  }

  /** Lets those wait longer that are not settled after all, although no event said so. */
  async #checkSettled(nowMs: number): Promise<void> {
    const { plan, fileSystem, tree, clock } = this.#options;
    if (plan.settledMs === null) return;
    for (const { change } of this.#pending.due(nowMs, takenAtOnce)) {
      const { after, path } = change;
      if (after === null || path === tree.base) continue;
      const look = await fileSystem.look(path).catch(() => undefined);
      if (look !== undefined && !isDifferent(after, look.facts)) continue;
      this.#pending.delay(path, clock.monotonicMs());
      tree.lookAt(path);
    }
  }

  #recordOf(change: FileChange): RecordedChange {
    const { plan, rule } = this.#options;
    const type = eventTypeOf(change);
    const events = type === undefined ? [] : eventsOf(type, change, plan.eventTypes);
    if (events.length > 0) this.#options.onFound(change);
    const facts: [string, FileFacts | null][] = [[change.path, change.after]];
    if (change.from !== null) facts.push([change.from, null]);
    return {
      number: this.#options.state?.nextNumber() ?? 0,
      facts,
      positions: [],
      events: events.map((event) => ({
        payload: fileEventPayload(event),
        dedupKey: dedupKeyOf(rule, fileEventIdentity(event)),
      })),
    };
  }

  #recordOfLines(number: number, { path, events, position }: TailedLines): RecordedChange {
    const { rule } = this.#options;
    return {
      number,
      facts: [],
      events: events.map(({ payload, identity }) => ({ payload, dedupKey: dedupKeyOf(rule, identity) })),
      positions: [[path, position]],
    };
  }
}

const entryWork = 64;

/** Deterministic, so that an event that is submitted again is recognized. */
function dedupKeyOf({ id }: SensorRule, identity: JsonValue): string {
  return `${id}:${createHash("sha256").update(JSON.stringify(identity)).digest("base64url")}`;
}
