/**
 * One run of the model: the real pipeline stores a few events of counting sensors into a database in memory,
 * while a schedule decides what becomes of each statement. The run says which choices there were, so that a
 * search can try all others, and checks the invariants that event-pipeline.ts claims.
 */
import type { Query, Queryable } from "../../src/database/database.ts";
import { ConnectionError } from "../../src/database/errors.ts";
import { EventPipeline } from "../../src/events/event-pipeline.ts";
import type { OutgoingMessage } from "../../src/messaging/message-transport.ts";
import type { EventSource, IncomingEvent } from "../../src/model/sensors/incoming-event.ts";
import type { RuleSet } from "../../src/model/rules/rule-match.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import type { Clock } from "../../src/time/clock.ts";
import { ModelDatabase, sentBatch } from "./model-database.ts";

export interface Scenario {
  readonly name: string;
  readonly sensors: readonly number[];
  /** Of each sensor, numbered from 1; the number is its checkpoint, too. */
  readonly eventCount: number;
  readonly hasDedupKeys: boolean;
  /** Whether the last number of each sensor is a checkpoint without an event. */
  readonly endsWithMove: boolean;
  /** The number of each sensor that the database never takes, and what it answers to a statement with it. */
  readonly poisoned: { readonly n: number; readonly answer: "an error" | "no row" } | undefined;
  readonly batchRowsMax: number;
  /** The number of each sensor that its submitter may withdraw, at any statement and in any pause. */
  readonly withdrawable?: number;
}

/** What becomes of a statement, the usual first. Only the first costs none of the faults that a run may have. */
const fatesOfStoring = [
  "answered",
  "answer lost",
  "lost on the way",
  "arrives late",
  "times out",
  "meets changed rules",
  "process dies before",
  "process dies after",
] as const;
const fatesOfOthers = ["answered", "lost on the way"] as const;

interface Choice {
  readonly options: readonly string[];
  readonly chosen: number;
}

export interface Run {
  readonly choices: readonly Choice[];
  /** What is wrong, if anything. */
  readonly violations: readonly string[];
}

const statementsMax = 400;

/** @param schedule the options to choose, in order; after its end always the first */
export async function runModel(
  scenario: Scenario,
  schedule: readonly number[],
  faultsMax: number,
): Promise<Run> {
  const world = new World(scenario, schedule, faultsMax);
  await world.run();
  return { choices: world.choices, violations: world.violations() };
}

export function describe({ choices }: Run): string {
  return choices
    .filter(({ chosen }) => chosen > 0)
    .map(({ options, chosen }) => options[chosen])
    .join(", then ");
}

const metricsOfNothing = createMetrics({ version: "model", withProcess: false });

interface Process {
  readonly instance: string;
  isAlive: boolean;
  readonly died: PromiseWithResolvers<void>;
}

class World {
  readonly choices: Choice[] = [];
  readonly #scenario: Scenario;
  readonly #schedule: readonly number[];
  readonly #database = new ModelDatabase();
  readonly #late: Query[] = [];
  readonly #problems = new Set<string>();
  readonly #sent: { readonly by: string; readonly message: OutgoingMessage }[] = [];
  readonly #outcomes = new Map<string, string[]>();
  /** Entries not yet withdrawn that may be, by sensor and number. */
  readonly #withdrawals = new Map<string, () => boolean>();
  readonly #withdrawn = new Set<string>();
  /** What each process called an event or an enforcement: `instance/sensor/n` or `…/rule`. */
  readonly #ids = new Map<string, string>();
  #faultsLeft: number;
  #statements = 0;
  #isStuck = false;
  readonly #processes: Process[] = [];
  #nowMs = 0;

  constructor(scenario: Scenario, schedule: readonly number[], faultsMax: number) {
    this.#scenario = scenario;
    this.#schedule = schedule;
    this.#faultsLeft = faultsMax;
  }

  async run(): Promise<void> {
    for (let life = 1; life <= 1 + this.#diedCount() && !this.#isStuck; life += 1) {
      const instance = `0000000${life}-0000-4000-8000-000000000000`;
      const own: Process = { instance, isAlive: true, died: Promise.withResolvers() };
      this.#processes.push(own);
      for (const sensor of this.#scenario.sensors)
        this.#database.assignments.set(sensor, { generation: `${life}`, instance });
      await this.#live(own, life);
    }
    // The network may deliver what was given up at any time, also after everything.
    this.#deliverLate();
  }

  violations(): readonly string[] {
    const { events, outbox, checkpoints } = this.#database;
    const { sensors, eventCount, endsWithMove, poisoned } = this.#scenario;
    const messages = this.#database.messages();
    const said = (what: string): void => void this.#problems.add(what);
    const hasDied = this.#diedCount() > 0;

    for (const { by, message } of this.#sent) {
      const row = messages.get(message.messageId);
      if (row === undefined) said(`${message.type} was announced and is not stored`);
      else if ("ruleRef" in row && !message.body.includes(`"rule_ref":"${row.ruleRef}"`))
        said("an enforcement was announced as another rule's than is stored");
      if (outbox.get(message.messageId) === null) said(`a message has two senders: ${by} and the sweeper`);
    }
    const alive = new Set(this.#processes.flatMap(({ isAlive, instance }) => (isAlive ? [instance] : [])));
    for (const [id, instance] of outbox) {
      const sentBy = this.#sent.filter(({ message }) => message.messageId === id).length;
      const isSwept = instance === null || !alive.has(instance);
      if (sentBy === 0 && !isSwept) said("a message is left to a process that does not send it");
      if (sentBy > 1) said("a message was handed over twice");
      if (sentBy === 1 && isSwept && !hasDied) said("a message was handed over and left to the sweeper");
    }
    for (const sensor of sensors) {
      for (let n = 1; n <= eventCount; n += 1) {
        const isEvent = n !== poisoned?.n && !(endsWithMove && n === eventCount);
        const rows = [...events.values()].filter((row) => row.n === n && row.sourceRef === `s${sensor}`);
        const outcomes = this.#outcomes.get(`${sensor}/${n}`) ?? [];
        if (rows.length > 1) said("an event is stored twice");
        if (this.#withdrawn.has(`${sensor}/${n}`)) {
          if (rows.length > 0) said("an event was withdrawn and is stored");
          continue;
        }
        if (isEvent && rows.length === 0) said("an event is lost");
        if ((n === poisoned?.n) !== outcomes.includes("refused") && !hasDied)
          said("an event was reported otherwise than it is");
        if (outcomes.length !== 1 && !hasDied) said(`an entry was settled ${outcomes.length} times`);
      }
      if (checkpoints.get(sensor)?.value !== eventCount) said("the checkpoint did not move on");
    }
    return [...this.#problems];
  }

  async #live(own: Process, life: number): Promise<void> {
    const sources = this.#scenario.sensors.map((sensor): EventSource => ({
      sensorId: `${sensor}`,
      sensorRef: `s${sensor}`,
      sensorConfig: {},
      term: { generation: `${life}`, instance: own.instance },
    }));
    const pipeline = this.#pipeline(own);
    const stop = new AbortController();
    const running = pipeline.run(stop.signal);
    const settled = Promise.all(sources.flatMap((source) => this.#emit(pipeline, source, own)));
    await Promise.race([settled, own.died.promise, running]);
    if (!own.isAlive) return; // Its statements never end, and nothing waits for them.
    pipeline.close();
    await running;
  }

  /** What a sensor emits that starts with its stored checkpoint. */
  #emit(pipeline: EventPipeline, source: EventSource, own: Process): Promise<void>[] {
    const { eventCount, endsWithMove, hasDedupKeys } = this.#scenario;
    const from = this.#database.checkpoints.get(Number(source.sensorId))?.value ?? 0;
    const numbers = Array.from({ length: eventCount - from }, (_, index) => from + 1 + index);
    return numbers.map(async (n) => {
      const key = `${source.sensorId}/${n}`;
      if (this.#withdrawn.has(key)) return;
      const event: IncomingEvent = {
        triggerRef: "t",
        payload: { n },
        source,
        triggerInstanceId: null,
        dedupKey: hasDedupKeys ? `k${n}` : null,
        occurredAt: null,
        checkpoint: n,
      };
      const isMove = endsWithMove && n === eventCount;
      const withdrawal = Promise.withResolvers<undefined>();
      const submitted = isMove ? pipeline.submitMove({ source, checkpoint: n }) : pipeline.submit(event);
      if (n === this.#scenario.withdrawable) {
        this.#withdrawals.set(key, () => {
          const isDone = submitted.withdraw();
          if (isDone) withdrawal.resolve(undefined);
          return isDone;
        });
      }
      const outcome = await Promise.race([submitted.outcome, withdrawal.promise]);
      if (!own.isAlive || outcome === undefined) return;
      const { kind } = outcome;
      this.#withdrawals.delete(key);
      this.#outcomes.set(key, [...(this.#outcomes.get(key) ?? []), kind]);
    });
  }

  #pipeline(own: Process): EventPipeline {
    const database: Queryable = { query: (query) => this.#query(query, own) };
    const rulesOf = (revision: number): RuleSet => rules(`${revision}`);
    let current = rulesOf(this.#database.revision);
    const clock: Clock = {
      nowMs: () => this.#nowMs,
      monotonicMs: () => this.#nowMs,
      sleep: (ms) => {
        this.#maybeWithdraw();
        this.#nowMs += ms;
        return Promise.resolve();
      },
    };
    return new EventPipeline({
      database,
      server: { look: () => Promise.resolve() },
      rules: {
        current: () => current,
        refresh: () => Promise.resolve((current = rulesOf(this.#database.revision))),
      },
      outlet: {
        instance: own.instance,
        send: (messages) => {
          if (own.isAlive) for (const message of messages) this.#sent.push({ by: own.instance, message });
        },
        leave: (messageIds) => {
          if (own.isAlive) this.#database.release([...messageIds]);
        },
      },
      installationId: this.#database.installationId,
      batchRowsMax: this.#scenario.batchRowsMax,
      batchBytesMax: 1_000_000,
      batchesMax: 2,
      metrics: metricsOfNothing,
      logger: silentLogger,
      clock,
      random: () => 0,
    });
  }

  #query(query: Query, own: Process): Promise<{ rows: object[] }> {
    if (!own.isAlive) return new Promise(() => {});
    this.#statements += 1;
    if (this.#statements > statementsMax) {
      this.#problems.add("the pipeline does not come to an end");
      this.#isStuck = true;
      return this.#die(own);
    }
    this.#maybeWithdraw();
    if (this.#late.length > 0 && this.#choose(["later", "delivers what is late"]) === 1) this.#deliverLate();
    return query.name?.startsWith("store_batch") === true ? this.#store(query, own) : this.#other(query);
  }

  async #store(query: Query, own: Process): Promise<{ readonly rows: object[] }> {
    this.#noteIds(query, own);
    const options = this.#faultsLeft > 0 ? fatesOfStoring : fatesOfStoring.slice(0, 1);
    const chosen = this.#choose(options);
    const fate = options[chosen] ?? "answered";
    if (fate !== "answered") this.#faultsLeft -= 1;
    const cut = new ConnectionError("cut", "unknown");
    switch (fate) {
      case "answered":
        return { rows: this.#carryOut(query) };
      case "answer lost":
        this.#carryOutUnseen(query);
        throw cut;
      case "lost on the way":
        throw cut;
      case "arrives late":
        this.#late.push(query);
        throw cut;
      case "times out":
        throw Object.assign(new Error("statement timeout"), { code: "57014" });
      case "meets changed rules":
        this.#database.revision += 1;
        return { rows: this.#carryOut(query) };
      case "process dies after":
        this.#carryOutUnseen(query);
        return await this.#die(own);
      case "process dies before":
        return await this.#die(own);
    }
  }

  async #other(query: Query): Promise<{ rows: object[] }> {
    const options = this.#faultsLeft > 0 && query.name !== "reserve_ids" ? fatesOfOthers : ["answered"];
    if (this.#choose(options) > 0) {
      this.#faultsLeft -= 1;
      throw new ConnectionError("cut", "unknown");
    }
    const [first, second] = query.values ?? [];
    switch (query.name) {
      case "reserve_ids":
        return { rows: [{ ids: this.#database.reserve(Number(second)).join(",") }] };
      case "find_events":
        return { rows: this.#database.find(JSON.parse(String(first))) };
      case "find_duplicates":
        return { rows: this.#database.findDuplicates(JSON.parse(String(first))) };
      case "find_foreign_ids":
        return { rows: [] };
      default:
        throw new Error(`the model does not know ${query.name}`);
    }
  }

  #maybeWithdraw(): void {
    for (const [key, withdraw] of this.#withdrawals) {
      if (this.#choose(["goes on", "withdraws"]) === 0) continue;
      this.#withdrawals.delete(key);
      if (withdraw()) this.#withdrawn.add(key);
    }
  }

  #carryOut(query: Query): object[] {
    const batch = sentBatch(query.name ?? "", query.values ?? []);
    const { poisoned } = this.#scenario;
    if (poisoned !== undefined && batch.events.some(({ p }) => p.n === poisoned.n)) {
      if (poisoned.answer === "no row") return [];
      throw Object.assign(new Error("unsupported Unicode escape sequence"), { code: "22P05" });
    }
    const answer = this.#database.store(batch);
    this.#checkCheckpoints();
    return [answer];
  }

  #deliverLate(): void {
    for (const query of this.#late.splice(0)) this.#carryOutUnseen(query);
  }

  #carryOutUnseen(query: Query): void {
    try {
      this.#carryOut(query);
    } catch {
      // The answer is lost.
    }
  }

  /** A checkpoint covers every event before it, at any moment. */
  #checkCheckpoints(): void {
    const { checkpoints, events } = this.#database;
    const { eventCount, endsWithMove, poisoned } = this.#scenario;
    for (const [sensor, { value }] of checkpoints) {
      for (let n = 1; n <= value; n += 1) {
        if ((endsWithMove && n === eventCount) || n === poisoned?.n || this.#withdrawn.has(`${sensor}/${n}`))
          continue;
        const isStored = [...events.values()].some((row) => row.n === n && row.sourceRef === `s${sensor}`);
        if (!isStored) this.#problems.add("a checkpoint covers an event that is not stored");
      }
    }
  }

  #noteIds(query: Query, own: Process): void {
    const { events, sources, matches } = sentBatch(query.name ?? "", query.values ?? []);
    const note = (what: string, id: number): void => {
      const key = `${own.instance}/${what}`;
      const known = this.#ids.get(key);
      if (known !== undefined && known !== `${id}`) this.#problems.add("an id was drawn twice");
      this.#ids.set(key, `${id}`);
    };
    for (const { i, s, p } of events) {
      const what = `${sources.find(({ n }) => n === s)?.sensor}/${p.n}`;
      note(what, i);
      for (const { e, rule, i: enforcement } of matches) if (e === i) note(`${what}/${rule}`, enforcement);
    }
  }

  async #die(own: Process): Promise<never> {
    own.isAlive = false;
    own.died.resolve();
    return await new Promise(() => {});
  }

  #diedCount(): number {
    return this.#processes.filter(({ isAlive }) => !isAlive).length;
  }

  #choose(options: readonly string[]): number {
    if (options.length < 2) return 0;
    const chosen = this.#schedule[this.choices.length] ?? 0;
    this.choices.push({ options, chosen });
    return chosen;
  }
}

/** The rules of each revision differ: what matched before a change does not match after it, or matches more. */
function rules(revision: string): RuleSet {
  const matching = [["1"], ["1", "2"], ["2"], []][(Number(revision) - 1) % 4] ?? [];
  return {
    revisionOf: () => revision,
    trigger: (ref) => ({ id: "1", ref, label: "", enabled: true, paramSchema: {}, outSchema: {} }),
    match: () =>
      matching.map((ruleId) => ({
        ruleId,
        ruleRef: `r${ruleId}`,
        actionId: null,
        actionRef: "a",
        condition: "all",
        conditionsJson: "[]",
        config: {},
      })),
  };
}
