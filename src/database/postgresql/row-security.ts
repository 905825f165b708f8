/**
 * What the agent's connections do about row security, which hides rows without an error: an agent that saw no rules would store
 * events without any, and stop its sensors.
 *
 * Sessions begin with `row_security = off`. A statement on a table with row security then fails, at any time in the agent's
 * life, and its sender tries again. A session follows policies only if they show every row; later sessions then follow them from
 * their beginning.
 *
 * A statement that fails counts as hindered until it succeeds, or has not been sent for a while.
 */
import type { Logger } from "../../telemetry/logger.ts";
import { OutageLog } from "../../telemetry/outage-log.ts";
import type { Clock } from "../../time/clock.ts";
import type { Query } from "../database.ts";
import { isRowSecurityError } from "../errors.ts";
import { neededRights } from "../rights/needed-rights.ts";
import { followPolicies } from "../statements/rights.ts";

interface Hindrance {
  readonly reason: string;
  readonly atMs: number;
}

type Send = (query: Query) => Promise<{ rows: object[] }>;

/** Longer than the pauses of all that is repeated. */
const rememberedMs = 300_000;

export class RowSecurity {
  readonly #clock: Clock;
  readonly #outage: OutageLog;
  readonly #hindered = new Map<string, Hindrance>();
  #isFollowed = false;

  constructor(surroundings: { readonly clock: Clock; readonly logger: Logger }) {
    this.#clock = surroundings.clock;
    this.#outage = new OutageLog(
      {
        begins:
          "row security hides rows from the agent's role; what needs them waits: create a policy that shows every row (docs/database.md), or switch it off",
        ends: "row security hides nothing any more",
      },
      surroundings,
    );
  }

  /** Of the next session. */
  setting(): "on" | "off" {
    return this.#isFollowed ? "on" : "off";
  }

  /**
   * Lets a session follow the policies if they show every row.
   *
   * @returns whether it does, so that a statement may be repeated: the server refused it before it began
   */
  async judge(send: Send): Promise<boolean> {
    const { rows } = await send(followPoliciesQuery);
    this.#isFollowed ||= rows.length > 0;
    return rows.length > 0;
  }

  /** As `judge`, after a refusal. If asking fails, the next statement is refused again, and tells why. */
  async judgeAnew(send: Send): Promise<boolean> {
    return await this.judge(send).catch(() => false);
  }

  /** @returns whether row security is the cause; `judgeAnew` is due then */
  noteFailure({ name, text }: Query, error: unknown): boolean {
    if (!isRowSecurityError(error)) return false;
    const reason = error.message;
    this.#hindered.set(name ?? text, { reason, atMs: this.#clock.monotonicMs() });
    this.#outage.failed({ reason });
    return true;
  }

  noteAnswer({ name, text }: Query): void {
    if (this.#hindered.size > 0 && this.#hindered.delete(name ?? text)) this.#noteEnd();
  }

  /** Undefined: no statement is hindered. */
  complaint(): string | undefined {
    const sinceMs = this.#clock.monotonicMs() - rememberedMs;
    for (const [statement, { atMs }] of this.#hindered) {
      if (atMs < sinceMs) this.#hindered.delete(statement);
    }
    this.#noteEnd();
    return this.#hindered.values().next().value?.reason;
  }

  #noteEnd(): void {
    if (this.#hindered.size === 0) this.#outage.recovered();
  }
}

/** Unnamed, so that it is not prepared for good. */
export const followPoliciesQuery: Query = {
  text: followPolicies.text,
  values: [...followPolicies.values(neededRights)],
};
