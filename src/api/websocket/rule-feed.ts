/**
 * Tells followers of triggers about their rules: first the state of all of them, then every message, in order.
 *
 * One loop reads for all followers of this agent, woken by the database's notifications. It remembers the database
 * snapshot up to which it has read, and the revision of the rules in it. Each step is one statement: the messages since
 * then, and the state of triggers with new followers. A new follower gets the state as of that snapshot, and the messages
 * after it. A missed notification only delays what the next step finds.
 *
 *     follow ──▶ waiting ──state of the next step──▶ following ──unfollow──▶ gone
 *
 * After a database restore, or a pause so long that messages may have been deleted, a feed does not know what it missed and
 * asks its followers to start over.
 */
import assert from "node:assert/strict";
import type { WakeableLoop } from "../../concurrency/wakeable-loop.ts";
import { WorkSlices, sliceWork } from "../../concurrency/work-slices.ts";
import type { RuleMessagePage, RuleMessageRow, SeenRules } from "../../database/statements/rule-messages.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { reportedLoop } from "../../telemetry/reported-loop.ts";
import type { Clock } from "../../time/clock.ts";
import { notificationFrame } from "./frames.ts";

export interface Follower {
  /** The state of a trigger's rules; its frames are shared with other followers. */
  readonly sendState: (frames: readonly Buffer[]) => void;
  readonly send: (frame: Buffer) => void;
  /** What happened in the meantime is not known: follow again. */
  readonly startOver: () => void;
}

export interface RuleFeedOptions {
  readonly read: (page: RuleMessagePage) => Promise<readonly RuleMessageRow[]>;
  readonly intervalMs: number;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

interface Followers {
  readonly waiting: Set<Follower>;
  readonly following: Set<Follower>;
}

interface ReadPage {
  readonly seen: SeenRules;
  readonly isBefore: boolean;
  readonly messages: readonly Extract<RuleMessageRow, { kind: "message" }>[];
  /** By trigger. */
  readonly state: ReadonlyMap<string, readonly Buffer[]>;
}

const pageLength = 1_000;
/** Half of the time for which the database remembers messages (forget_rule_messages in migrations/). */
const knownForMs = 30 * 60_000;
/** About 500 frames a slice. */
const workPerFrame = sliceWork / 500;

export class RuleFeed {
  readonly #options: RuleFeedOptions;
  readonly #loop: WakeableLoop;
  readonly #triggers = new Map<string, Followers>();
  readonly #slices = new WorkSlices();
  #seen: { readonly rules: SeenRules; readonly atMs: number } | undefined;

  constructor(options: RuleFeedOptions) {
    this.#options = options;
    const { intervalMs } = options;
    this.#loop = reportedLoop(
      {
        texts: {
          begins: "could not read changes of rules for connected sensors; trying again",
          ends: "connected sensors are told about changes of rules again",
        },
        step: () => this.#step(),
        intervalMs,
        retry: { delayMsFirst: 100, delayMsMax: 5_000 },
      },
      options,
    );
  }

  /** A hint that rules may have changed. */
  wake(): void {
    // Without followers there is nothing to read.
    if (this.#triggers.size > 0) this.#loop.wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#loop.run(signal);
  }

  /** Sends the state, also to one who follows the trigger already, and then the messages. */
  follow(triggerRef: string, follower: Follower): void {
    let followers = this.#triggers.get(triggerRef);
    if (followers === undefined) {
      followers = { waiting: new Set(), following: new Set() };
      this.#triggers.set(triggerRef, followers);
    }
    followers.waiting.add(follower);
    this.#loop.wake();
  }

  unfollow(triggerRef: string, follower: Follower): void {
    const followers = this.#triggers.get(triggerRef);
    if (followers === undefined) return;
    followers.waiting.delete(follower);
    followers.following.delete(follower);
    if (followers.waiting.size + followers.following.size === 0) this.#triggers.delete(triggerRef);
  }

  async #step(): Promise<void> {
    if (this.#triggers.size === 0) {
      this.#seen = undefined;
      return;
    }
    const waiting = new Map<string, readonly Follower[]>();
    for (const [triggerRef, followers] of this.#triggers) {
      if (followers.waiting.size > 0) waiting.set(triggerRef, [...followers.waiting]);
    }
    const since = this.#knownRules();
    let page = await this.#read({ since, upTo: undefined, after: "0", stateOf: [...waiting.keys()] });
    if (page.isBefore) {
      this.#startOver("the database was set back");
      return;
    }
    const { seen, state } = page;
    await this.#tell(page);
    try {
      while (page.messages.length === pageLength) {
        const after = page.messages.at(-1)?.number ?? "0";
        page = await this.#read({ since, upTo: seen.snapshot, after, stateOf: [] });
        await this.#tell(page);
      }
    } catch (error) {
      // The next step would tell the first pages again.
      this.#startOver("many changes of rules could not be read to the end");
      throw error;
    }
    this.#seen = { rules: seen, atMs: this.#options.clock.monotonicMs() };
    await this.#welcome(waiting, state);
  }

  #knownRules(): SeenRules | undefined {
    if (this.#seen === undefined) return undefined;
    const { rules, atMs } = this.#seen;
    if (this.#options.clock.monotonicMs() - atMs < knownForMs) return rules;
    this.#startOver("changes of rules could not be read for too long");
    return undefined;
  }

  #startOver(reason: string): void {
    this.#options.logger.warn({}, `${reason}: connected sensors are asked to connect again`);
    this.#seen = undefined;
    const all = new Set([...this.#triggers.values()].flatMap(({ following }) => [...following]));
    for (const follower of all) follower.startOver();
    this.#loop.wake();
  }

  async #read(page: Omit<RuleMessagePage, "countMax">): Promise<ReadPage> {
    const rows = await this.#options.read({ ...page, countMax: pageLength });
    const state = new Map<string, Buffer[]>();
    const messages: Extract<RuleMessageRow, { kind: "message" }>[] = [];
    let seen: SeenRules | undefined;
    let isBefore = false;
    for (const row of rows) {
      switch (row.kind) {
        case "snapshot":
          ({ seen, isBefore } = row);
          break;
        case "message":
          messages.push(row);
          break;
        case "state": {
          const { triggerRef } = row.news;
          const frames = state.get(triggerRef);
          if (frames === undefined) state.set(triggerRef, [notificationFrame(row.news)]);
          else frames.push(notificationFrame(row.news));
          await this.#slices.spend(workPerFrame);
          break;
        }
      }
    }
    assert(seen !== undefined, "the first row says what has been seen");
    return { seen, isBefore, messages, state };
  }

  async #tell({ messages }: ReadPage): Promise<void> {
    for (const { news } of messages) {
      const followers = this.#triggers.get(news.triggerRef);
      if (followers === undefined || followers.following.size === 0) continue;
      const frame = notificationFrame(news);
      // A set goes on with its next member whatever leaves it meanwhile; nobody joins during a step.
      for (const follower of followers.following) {
        follower.send(frame);
        await this.#slices.spend(workPerFrame);
      }
    }
  }

  async #welcome(
    waiting: ReadonlyMap<string, readonly Follower[]>,
    state: ReadonlyMap<string, readonly Buffer[]>,
  ): Promise<void> {
    for (const [triggerRef, newcomers] of waiting) {
      const frames = state.get(triggerRef) ?? [];
      for (const follower of newcomers) {
        const followers = this.#triggers.get(triggerRef);
        // It has left meanwhile.
        if (followers?.waiting.delete(follower) !== true) continue;
        followers.following.add(follower);
        follower.sendState(frames);
        await this.#slices.spend(workPerFrame);
      }
    }
  }
}
