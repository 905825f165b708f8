/** Subscriptions to the notifications of the embedded server. They outlive its session. */
import type { Queryable } from "../database.ts";
import { ConnectionError } from "../errors.ts";

type OnHint = (payload: string | undefined) => void;

export class Channels {
  readonly #subscribers = new Map<string, Set<OnHint>>();

  /** See Database.listen. */
  async listen(session: Queryable, channel: string, onHint: OnHint): Promise<AsyncDisposable> {
    await session.query({ text: `listen ${quoted(channel)}` });
    // A callback may subscribe twice.
    const subscriber: OnHint = (payload) => onHint(payload);
    const subscribers = this.#subscribers.get(channel) ?? new Set();
    this.#subscribers.set(channel, subscribers.add(subscriber));
    subscriber(undefined);
    return {
      [Symbol.asyncDispose]: async () => {
        if (!subscribers.delete(subscriber) || subscribers.size > 0) return;
        this.#subscribers.delete(channel);
        await unlessWithoutSession(session.query({ text: `unlisten ${quoted(channel)}` }));
      },
    };
  }

  notify(channel: string, payload: string): void {
    for (const subscriber of this.#subscribers.get(channel) ?? []) subscriber(payload);
  }

  /** Prepares a new session, in which nothing listens yet. */
  async listenAgain(session: Queryable): Promise<void> {
    for (const channel of this.#subscribers.keys())
      await session.query({ text: `listen ${quoted(channel)}` });
  }

  /** Tells all subscribers that they may have missed notifications. */
  notifyOfGap(): void {
    for (const subscribers of this.#subscribers.values()) {
      for (const subscriber of subscribers) subscriber(undefined);
    }
  }
}

/** Without a session, nothing listens. */
async function unlessWithoutSession(statement: Promise<unknown>): Promise<void> {
  try {
    await statement;
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
  }
}

function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`;
}
