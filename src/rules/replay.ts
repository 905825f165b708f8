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
import { addEnforcements, identifyMatches } from "../database/add-enforcements.ts";
import type { Database, Queryable } from "../database/database.ts";
import { unknownRefText } from "../database/likely-ref.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { storeEnforcements, type EnforcementToStore } from "../database/statements/added-enforcements.ts";
import { reserveIds } from "../database/statements/id-sequences.ts";
import {
  copyEvent,
  findEnforcedRules,
  findRuleToReplay,
  readLoggedEvent,
  readLogPage,
  type LoggedEvent,
} from "../database/statements/replays.ts";
import type { OutgoingMessage } from "../messaging/message-transport.ts";
import type { MessageFormat } from "../messaging/messages/cloud-event-message.ts";
import { enforcementCreated, eventCreated } from "../messaging/messages/message-types.ts";
import { messageId, type Id } from "../model/identifiers.ts";
import type { ReplayProblem, ReplayRequest, ReplayStep } from "../model/rules/replay-request.ts";
import { aimAt } from "../model/rules/rule-aim.ts";
import type { RuleMatch, RuleSet, RuleSource } from "../model/rules/rule-match.ts";
import { TextBudgetError } from "../model/texts/text-budget.ts";
import type { Clock } from "../time/clock.ts";
import { aimOf, factsOf } from "./stored-facts.ts";

/** Publishes messages of what was committed; satisfied by events/delivery/publisher.ts. */
export interface ReplayOutlet {
  /** Under which the messages are stored. */
  readonly instance: string;
  /** How it wants the messages; without it, as envelopes. */
  readonly format?: MessageFormat;
  send(messages: readonly OutgoingMessage[], acceptedAtMs: readonly number[]): void;
}

export interface ReplayOptions {
  readonly database: Pick<Database, "query" | "transaction">;
  readonly rules: RuleSource;
  readonly installationId: string;
  readonly outlet: ReplayOutlet;
  readonly clock: Clock;
}

/** How often an event is matched again because its rules changed before its enforcements were stored. */
const attemptsMax = 10;
/** How far the database's clock may be ahead. */
const clockSlackMs = 1_000;
const pageCountMax = 200;
const pageBytesMax = 4_194_304;

export class Replay {
  readonly #options: ReplayOptions;

  constructor(options: ReplayOptions) {
    this.#options = options;
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
      const found = matchesOf(event, set, request);
      if (typeof found === "string") return { eventId, kind: "skipped", reason: found };
      const missing = found.filter(({ ruleId }) => !enforced.has(`${eventId} ${ruleId}`));
      if (missing.length === 0 && (!request.isForced || request.rule !== null))
        return { eventId, kind: "complete" };
      if (request.isDry) return { eventId, kind: "missing", ruleRefs: missing.map(({ ruleRef }) => ruleRef) };
      const stored = request.isForced
        ? await this.#storeCopy(event, set, missing, request)
        : await this.#storeMissing(event, set, missing);
      if (stored !== undefined) return stored;
    }
    return {
      eventId,
      kind: "skipped",
      reason: `the rules changed ${attemptsMax} times while it was matched`,
    };
  }

  /** @returns undefined if the rules have changed since they matched */
  async #storeMissing(
    event: LoggedEvent,
    set: RuleSet,
    matches: readonly RuleMatch[],
  ): Promise<ReplayStep | undefined> {
    const { database, installationId, outlet } = this.#options;
    const { id: eventId, triggerRef } = event;
    const added = await addEnforcements(database, {
      installationId,
      eventId,
      matches,
      triggerRevisions: { [triggerRef]: set.revisionOf(triggerRef) },
      replayedFrom: eventId,
      publisherInstance: outlet.instance,
    });
    if (added === undefined) return undefined;
    const { enforcements, storedAt } = added;
    if (enforcements.length === 0) return { eventId, kind: "complete" };
    const payloadJson = JSON.stringify(event.payload);
    this.#send(enforcements.map((each) => this.#message(event, each, eventId, payloadJson, storedAt)));
    return { eventId, kind: "stored", copyId: null, enforcements };
  }

  /** @returns undefined if the rules have changed since they matched */
  async #storeCopy(
    event: LoggedEvent,
    set: RuleSet,
    matches: readonly RuleMatch[],
    { rule }: ReplayRequest,
  ): Promise<ReplayStep | undefined> {
    const { database, installationId, outlet } = this.#options;
    const { id: eventId, triggerRef } = event;
    const copyId = await reserveId(database);
    const triggerRevisions = { [triggerRef]: set.revisionOf(triggerRef) };
    const [match] = matches;
    const copy = {
      originalId: eventId,
      id: copyId,
      messageId: messageId(installationId, "event", copyId),
      // A copy for one rule is aimed at it, so that the copy has exactly the enforcements that its rules demand.
      rule: rule === null || match === undefined ? null : { id: match.ruleId, ref: match.ruleRef },
      triggerRevisions,
      publisherInstance: outlet.instance,
    };
    // Templates can name the event's id, which is the copy's.
    const rendered = matchesOf({ ...event, id: copyId }, set, { rule });
    if (typeof rendered === "string") return { eventId, kind: "skipped", reason: rendered };
    const enforcements = await identifyMatches(database, installationId, rendered);
    const outcome = await database.transaction(async (transaction) => {
      const copied = await rowOf(transaction, copyEvent, copy);
      if (copied?.kind !== "copied") return copied;
      await rowOf(transaction, storeEnforcements, {
        eventId: copyId,
        enforcements,
        triggerRevisions,
        replayedFrom: eventId,
        publisherInstance: outlet.instance,
      });
      return copied;
    });
    if (outcome?.kind === "gone") return { eventId, kind: "skipped", reason: "it has been deleted" };
    if (outcome?.kind !== "copied") return undefined;
    const { storedAt, ...stored } = outcome.event;
    const timestampMs = storedAt.getTime();
    const { trace } = event;
    const about = { installationId, eventId: copyId, triggerRef, timestampMs, trace, replayedFrom: eventId };
    const copied = { ...event, id: copyId };
    this.#send([
      eventCreated({ ...stored, ...about }, outlet.format),
      ...enforcements.map((each) => this.#message(copied, each, eventId, stored.payloadJson, storedAt)),
    ]);
    return { eventId, kind: "stored", copyId, enforcements };
  }

  #message(
    { id: eventId, triggerRef, trace }: LoggedEvent,
    { id, ruleId, ruleRef, actionId, actionRef, config }: EnforcementToStore,
    replayedFrom: Id,
    payloadJson: string,
    storedAt: Date,
  ): OutgoingMessage {
    return enforcementCreated(
      {
        installationId: this.#options.installationId,
        enforcementId: id,
        ruleId,
        ruleRef,
        actionId,
        actionRef,
        configJson: JSON.stringify(config),
        eventId,
        triggerRef,
        payloadJson,
        timestampMs: storedAt.getTime(),
        trace,
        replayedFrom,
      },
      this.#options.outlet.format,
    );
  }

  #send(messages: readonly OutgoingMessage[]): void {
    const { outlet, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    outlet.send(
      messages,
      messages.map(() => nowMs),
    );
  }
}

/** A reason if the event cannot be replayed. */
function matchesOf(
  event: LoggedEvent,
  set: RuleSet,
  { rule }: Pick<ReplayRequest, "rule">,
): readonly RuleMatch[] | string {
  const { triggerRef } = event;
  const trigger = set.trigger(triggerRef);
  if (trigger === undefined) return `there is no trigger ${triggerRef} any more`;
  if (!trigger.enabled) return `the trigger ${triggerRef} is disabled`;
  try {
    const matches = set.match(factsOf(event, aimOf(event)));
    if (rule === null) return matches;
    const only = new Set(set.match(factsOf(event, aimAt(rule))).map(({ ruleId }) => ruleId));
    return matches.filter(({ ruleId }) => only.has(ruleId));
  } catch (error) {
    if (error instanceof TextBudgetError) return error.message;
    throw error;
  }
}

async function reserveId(database: Queryable): Promise<Id> {
  const reserved = await rowOf(database, reserveIds, { sequence: "event_id_seq", count: 1 });
  return reserved?.ids[0] ?? "";
}
