/**
 * Replays stored events: matches them by today's rules and stores missing enforcements.
 *
 *     events, in the order of the log ──▶ match ──▶ nothing missing
 *                                            ├────▶ its enforcements, with their messages, in one transaction
 *                                            └────▶ forced: a copy of the event with all its enforcements, likewise
 *
 * An enforcement is stored once per rule and event, however many replays run at once and wherever one of them dies: all
 * take turns at the event (takeTurnAtEvent), and leave existing enforcements alone. Each transaction checks that the
 * rules are still at the revision that the event was matched at; otherwise the event is matched again. So repeating an
 * interrupted replay completes it. This does not hold for forced replays, since each makes its own copies.
 *
 * Rows and messages of a replay carry the id of the event that it repeats (replayed_from).
 */
import { unknownRefText } from "../database/likely-ref.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  findEnforcedRules,
  findRuleToReplay,
  readLoggedEvent,
  readLogPage,
  type LoggedEvent,
} from "../database/statements/replays.ts";
import type { Id } from "../model/identifiers.ts";
import type { ReplayProblem, ReplayRequest, ReplayStep } from "../model/rules/replay-request.ts";
import type { RuleSet, RuleSource } from "../model/rules/rule-match.ts";
import { replayMatches } from "./replay-matches.ts";
import { ReplayStore, type ReplayStoreOptions } from "./replay-store.ts";

export interface ReplayOptions extends ReplayStoreOptions {
  readonly rules: RuleSource;
}

/** How often an event is matched again because its rules changed before its enforcements were stored. */
const attemptsMax = 10;
/** How far the database's clock may be ahead. */
const clockSlackMs = 1_000;
const pageCountMax = 200;
const pageBytesMax = 4_194_304;

export class Replay {
  readonly #options: ReplayOptions;
  readonly #store: ReplayStore;

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#store = new ReplayStore(options);
  }

  /**
   * Why the request could store nothing whatever events there are: a misspelt ref must not read as "nothing is missing".
   */
  async problemOf({ events, rule }: ReplayRequest): Promise<ReplayProblem | undefined> {
    const triggerRef = events.kind === "range" ? events.triggerRef : null;
    if (triggerRef !== null && (await this.#options.rules.refresh()).trigger(triggerRef) === undefined)
      return {
        parameter: "trigger_ref",
        problem: await unknownRefText(this.#options.database, "trigger", triggerRef),
      };
    if (rule === null) return undefined;
    const found = await rowOf(this.#options.database, findRuleToReplay, { name: rule });
    if (found === undefined)
      return { parameter: "rule", problem: await unknownRefText(this.#options.database, "rule", rule) };
    if (!found.isEnabled)
      return { parameter: "rule", problem: `${found.ref} is disabled, so that it matches no event` };
    if (triggerRef !== null && found.triggerRef !== triggerRef)
      return {
        parameter: "rule",
        problem: `${found.ref} is not on the trigger ${triggerRef} but on ${found.triggerRef ?? "none"}`,
      };
    return undefined;
  }

  /** What becomes of each event, in order. Ends early, between two events, when the signal aborts. */
  async *run(request: ReplayRequest, signal: AbortSignal): AsyncGenerator<ReplayStep, void, void> {
    const { clock } = this.#options;
    const only = await this.#onlyTrigger(request);
    let dueMs = clock.monotonicMs();
    for await (const page of this.#pages(request, only?.triggerRef ?? null)) {
      if (typeof page === "string") {
        yield { eventId: page, kind: "skipped", reason: "it does not exist" };
        continue;
      }
      const [stranger] =
        only === undefined ? [] : page.filter(({ triggerRef }) => triggerRef !== only.triggerRef);
      if (only !== undefined && stranger !== undefined) {
        const { id: eventId, triggerRef } = stranger;
        const reason = `${only.ruleRef} is a rule for the trigger ${only.triggerRef}, and the event has the trigger ${triggerRef}`;
        yield { eventId, kind: "skipped", reason };
        continue;
      }
      const set = await this.#options.rules.refresh();
      const enforced = request.isForced ? new Set<string>() : await this.#enforced(page);
      for (const event of page) {
        if (signal.aborted) return;
        const step = await this.#replayEvent(event, request, set, enforced);
        if (step.kind === "stored") {
          dueMs = Math.max(dueMs, clock.monotonicMs() - 1_000) + 1_000 / request.rateMax;
          await clock.sleep(Math.max(dueMs - clock.monotonicMs(), 0), signal);
        }
        yield step;
      }
      if (signal.aborted) return;
    }
  }

  /** The trigger of the only rule to consider: events of others cannot match it. */
  async #onlyTrigger({
    rule,
  }: ReplayRequest): Promise<{ readonly ruleRef: string; readonly triggerRef: string } | undefined> {
    if (rule === null) return undefined;
    const found = await rowOf(this.#options.database, findRuleToReplay, { name: rule });
    const { ref: ruleRef, triggerRef } = found ?? { ref: rule, triggerRef: null };
    return triggerRef === null ? undefined : { ruleRef, triggerRef };
  }

  /**
   * Of events by id each is a page, or its id if it does not exist.
   *
   * @param onlyTriggerRef the events of a range that are read, if the request names no trigger itself
   */
  async *#pages(
    { events }: ReplayRequest,
    onlyTriggerRef: string | null,
  ): AsyncGenerator<readonly LoggedEvent[] | Id, void, void> {
    const { database, clock } = this.#options;
    if (events.kind === "ids") {
      for (const id of events.ids) {
        const event = await rowOf(database, readLoggedEvent, { id });
        yield event === undefined ? id : [event];
      }
      return;
    }
    const { since } = events;
    const triggerRef = events.triggerRef ?? onlyTriggerRef;
    const until = new Date(Math.min(events.until.getTime(), clock.nowMs() + clockSlackMs));
    let after = { createdUs: String(BigInt(since.getTime()) * 1_000n), id: "0" };
    for (;;) {
      const request = { after, until, triggerRef, countMax: pageCountMax, bytesMax: pageBytesMax };
      const page = await rowsOf(database, readLogPage(request), request);
      const last = page.at(-1);
      if (last === undefined) return;
      yield page;
      after = last;
    }
  }

  /** `event rule` of each enforcement of these events. */
  async #enforced(page: readonly LoggedEvent[]): Promise<ReadonlySet<string>> {
    const eventIds = page.map(({ id }) => id);
    const rows = await rowsOf(this.#options.database, findEnforcedRules, { eventIds });
    return new Set(rows.map(({ eventId, ruleId }) => `${eventId} ${ruleId}`));
  }

  async #replayEvent(
    event: LoggedEvent,
    request: ReplayRequest,
    first: RuleSet,
    enforced: ReadonlySet<string>,
  ): Promise<ReplayStep> {
    const { id: eventId } = event;
    for (let attempt = 1; attempt <= attemptsMax; attempt += 1) {
      const set = attempt === 1 ? first : await this.#options.rules.refresh();
      const found = replayMatches(event, set, request);
      if (typeof found === "string") return { eventId, kind: "skipped", reason: found };
      const missing = found.filter(({ ruleId }) => !enforced.has(`${eventId} ${ruleId}`));
      if (missing.length === 0 && (!request.isForced || request.rule !== null))
        return { eventId, kind: "complete" };
      if (request.isDry) return { eventId, kind: "missing", ruleRefs: missing.map(({ ruleRef }) => ruleRef) };
      const stored = request.isForced
        ? await this.#store.storeCopy(event, set, missing, request)
        : await this.#store.storeMissing(event, set, missing);
      if (stored !== undefined) return stored;
    }
    return {
      eventId,
      kind: "skipped",
      reason: `the rules changed ${attemptsMax} times while it was matched`,
    };
  }
}
