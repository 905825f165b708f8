/**
 * What this process has left to the sweeper since it fell behind: by kind, from which id on, and the messages themselves
 * while they are few.
 *
 * What was left since the round of reading under way began is told apart, because the round may have read past it: batches
 * are not committed in the order of their ids.
 */
import type { OutgoingMessage } from "../../messaging/message-transport.ts";
import { messageKindOf, type MessageKind } from "../../model/identifiers.ts";
import { RecentMessages, type KeptMessages, type RecentLimits } from "./recent-messages.ts";

export class Backlog {
  readonly #limits: RecentLimits;
  readonly #from = new Map<MessageKind, string>();
  #recentFrom = new Map<MessageKind, string>();
  #recent: RecentMessages;

  constructor(limits: RecentLimits) {
    this.#limits = limits;
    this.#recent = new RecentMessages(limits);
  }

  /** The lowest id of that kind that was left; undefined: none was. */
  from(kind: MessageKind): string | undefined {
    return this.#from.get(kind);
  }

  /** @returns the lowest id of each kind among these */
  leave(messageIds: readonly string[]): ReadonlyMap<MessageKind, string> {
    const lowest = new Map<MessageKind, string>();
    for (const messageId of messageIds) {
      lower(lowest, messageKindOf(messageId) === "event" ? "event" : "enforcement", messageId);
    }
    for (const [kind, messageId] of lowest) {
      lower(this.#from, kind, messageId);
      lower(this.#recentFrom, kind, messageId);
    }
    return lowest;
  }

  /** Keeps messages that were left in memory as well, in case that this round is the last. */
  keep(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void {
    this.#recent.add(messages, acceptedAtMs);
  }

  /** What was kept since the round began; undefined: it was too much. */
  kept(): KeptMessages | undefined {
    return this.#recent.all();
  }

  /**
   * A round begins, and reads everything that was left before this moment.
   *
   * @returns the lowest id of each kind that was left since the last round began
   */
  beginRound(): ReadonlyMap<MessageKind, string> {
    const recentFrom = this.#recentFrom;
    this.#recentFrom = new Map();
    this.#recent = new RecentMessages(this.#limits);
    return recentFrom;
  }
}

function lower(lowest: Map<MessageKind, string>, kind: MessageKind, messageId: string): void {
  const known = lowest.get(kind);
  if (known === undefined || messageId < known) lowest.set(kind, messageId);
}
