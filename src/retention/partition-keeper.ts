/**
 * Manages the partitions of events, enforcements and dedup keys: creates them ahead of time, retires those beyond the
 * configured limits, archives them if configured, and drops them.
 *
 *   attached ──retired: a lock for milliseconds──▶ retired ──archived──▶ dropped
 *        ▲                     │
 *        └─ messages need it, or the lock is not free: again later
 *
 * Only the agent that holds the lock `retention` does this; the others check now and then whether the lock is free. It
 * also has old versions of rules deleted (rule-version-keeper.ts).
 *
 * While the database's clock is doubted (clock-guard.ts), nothing is retired for its age.
 *
 * A retired partition is a table of its own, so archiving and dropping it disturbs no reader or writer. After a crash,
 * the next step continues with it.
 */
import type { Database } from "../database/database.ts";
import { SoleTurn } from "../database/sole-turn.ts";
import { classifyDatabaseError, sqlState } from "../database/errors.ts";
import { messageOf } from "../errors/caught.ts";
import { rowOf, rowsOf, type Statement } from "../database/statement.ts";
import {
  addPartition,
  boundLocks,
  dropRetired,
  enterPartition,
  listPartitions,
  readPartitionPosition,
  retirePartition,
  type PartitionPosition,
  type PartitionRow,
} from "../database/statements/partitions.ts";
import { describeKeepLimits, retainedTables, type RetainedTable } from "../model/retention/keep-limits.ts";
import { planPartitions, type PartitionPlan } from "../model/retention/partition-plan.ts";
import type { KeptTable } from "../telemetry/gauges.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { reportedLoop } from "../telemetry/reported-loop.ts";
import type { Clock } from "../time/clock.ts";
import type { ClockGuard } from "./clock-guard.ts";
import { RuleVersionKeeper } from "./rule-version-keeper.ts";
import { tableState, type TableLimits } from "./table-state.ts";

export interface PartitionKeeperOptions {
  readonly database: Database;
  readonly limits: TableLimits;
  /** Writes all rows of a retired partition; resolves once they are safely on disk. */
  readonly archive:
    ((table: RetainedTable, partition: string, signal: AbortSignal) => Promise<void>) | undefined;
  /** How long a version of a rule is kept after the next one. */
  readonly ruleVersionSeconds: number;
  readonly clockGuard: Pick<ClockGuard, "observe" | "isDoubted">;
  readonly metrics: Pick<Metrics, "partitionDropped">;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
}

const intervalMs = 120_000;
/** Of those that do not hold the lock. */
const takeoverMs = 30_000;
/** Everybody who stores waits for a lock that we wait for. */
const lockWaitMs = 20;
/** An agent that is suspended in the middle must not keep all others from storing. */
const lockIdleMs = 5_000;
const lockAttemptsMax = 20;
const checkViolation = "23514";

export class PartitionKeeper {
  readonly #options: PartitionKeeperOptions;
  readonly #kept = new Map<RetainedTable, KeptTable>();
  readonly #turn: SoleTurn;
  readonly #versions: RuleVersionKeeper;
  /** Retired partitions that could not be dropped yet, but are archived. */
  readonly #archived = new Set<string>();

  constructor(options: PartitionKeeperOptions) {
    this.#options = options;
    this.#turn = new SoleTurn(options.database, "retention");
    this.#versions = new RuleVersionKeeper(options);
  }

  /** Empty: another agent does it. */
  kept(): ReadonlyMap<RetainedTable, KeptTable> {
    return this.#kept;
  }

  async run(signal: AbortSignal): Promise<void> {
    const loop = reportedLoop(
      {
        step: () => this.step(signal),
        intervalMs: () => (this.#turn.isHeld ? intervalMs : takeoverMs),
        retry: { delayMsFirst: 5_000, delayMsMax: 300_000 },
        texts: {
          begins: "could not keep the partitions of stored events; nothing is lost, but old ones stay",
          ends: "partitions of stored events are kept again",
        },
      },
      this.#options,
    );
    try {
      await loop.run(signal);
    } finally {
      await this.#turn[Symbol.asyncDispose]();
    }
  }

  /** Everything that is due now. */
  async step(signal: AbortSignal): Promise<void> {
    if (!this.#turn.isHeld) this.#kept.clear();
    if (!(await this.#turn.take())) return;
    try {
      await this.#keepAll(signal);
    } catch (error) {
      // Another agent may be able to do what this one cannot, such as write to its folder.
      await this.#turn[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Once more if rows came into the default partition after the look, for which a new one was to be made. */
  async #keepAll(signal: AbortSignal): Promise<void> {
    try {
      await this.#lookAndKeep(signal);
    } catch (error) {
      if (sqlState(error) !== checkViolation) throw error;
      await this.#lookAndKeep(signal);
    }
  }

  async #lookAndKeep(signal: AbortSignal): Promise<void> {
    const { database, clockGuard } = this.#options;
    const position = await rowOf(database, readPartitionPosition, undefined);
    if (position === undefined) return;
    clockGuard.observe(position.now.getTime());
    const partitions = await rowsOf(database, listPartitions, { tables: retainedTables });
    const works = retainedTables.map((table) => {
      const rows = partitions.filter((row) => row.table === table);
      return () => this.#keep(table, rows, position, signal);
    });
    await doAll([...works, async () => (clockGuard.isDoubted() ? undefined : this.#versions.keep(signal))]);
  }

  async #keep(
    table: RetainedTable,
    rows: readonly PartitionRow[],
    position: PartitionPosition,
    signal: AbortSignal,
  ): Promise<void> {
    const { limits, clockGuard } = this.#options;
    const state = tableState(table, rows, position, limits);
    const plan = planPartitions(state, limits[table]);
    const due = clockGuard.isDoubted()
      ? planPartitions(state, { ...limits[table], days: null }).retire
      : plan.retire;
    const retired = rows.flatMap(({ isRetired, name }) => (isRetired ? [name] : []));
    const held = plan.retire.length - due.length;
    let overdue = retired.length + due.length;
    this.#note(table, rows, overdue, held);
    await doAll([
      () => this.#makeRoom(table, plan, signal),
      () => this.#makeDefault(table, rows, signal),
      () => this.#retire(table, due, retired, signal),
      () =>
        doAll(
          retired.map((partition) => async () => {
            await this.#dispose(table, partition, signal);
            overdue -= 1;
            this.#note(table, rows, overdue, held);
          }),
        ),
    ]);
  }

  async #makeRoom(table: RetainedTable, { add, enter }: PartitionPlan, signal: AbortSignal): Promise<void> {
    const { database, logger } = this.#options;
    for (const { first, beyond } of add)
      await this.#underLock(addPartition, { table, first, beyond }, signal);
    if (enter === null) return;
    await rowOf(database, enterPartition, { sequence: `${table}_id_seq`, first: enter });
    logger.info({ table, first: String(enter) }, `${table} continues in its next partition`);
  }

  /** Somebody has dropped it. Without it, rows that no other partition takes cannot be stored. */
  async #makeDefault(
    table: RetainedTable,
    rows: readonly PartitionRow[],
    signal: AbortSignal,
  ): Promise<void> {
    if (rows.some(({ isDefault }) => isDefault)) return;
    const partition = `${table}_default`;
    await this.#underLock(addPartition, { table, first: null, beyond: null }, signal);
    this.#options.logger.warn({ table, partition }, `${table} had no default partition; made ${partition}`);
  }

  /** Adds those that were retired to `retired`. What cannot be retired now is retired later, and keeps no other. */
  async #retire(
    table: RetainedTable,
    partitions: readonly string[],
    retired: string[],
    signal: AbortSignal,
  ): Promise<void> {
    const { limits, logger } = this.#options;
    let blocked: unknown;
    let failure: unknown;
    for (const partition of partitions) {
      try {
        const found = await this.#underLock(retirePartition, { table, partition }, signal);
        const name = found?.name ?? partition;
        const limit = describeKeepLimits(limits[table]);
        logger.info(
          { table, partition: name },
          `retired ${name}: beyond what is kept of ${table} (${limit})`,
        );
        retired.push(name);
      } catch (error) {
        // Somebody has been reading for long.
        const isRead = classifyDatabaseError(error) === "conflict";
        // A message that is not sent yet needs this one; it may never be sent.
        if (isRead || isOwed(error)) blocked = error;
        else if (sqlState(error) === undefined) throw error;
        else failure ??= new Error(`could not retire ${partition}: ${messageOf(error)}`, { cause: error });
        if (isRead) break;
      }
    }
    if (blocked !== undefined)
      logger.warn({ table, error: blocked }, `could not retire old rows of ${table} yet; trying again later`);
    if (failure !== undefined) throw failure;
  }

  #note(table: RetainedTable, rows: readonly PartitionRow[], overdue: number, held: number): void {
    const attached = rows.filter(({ isRetired }) => !isRetired);
    const rest = attached.find(({ isDefault }) => isDefault);
    this.#kept.set(table, {
      partitions: attached.length,
      bytes: rows.reduce((total, { bytes }) => total + bytes, 0),
      overdue,
      held,
      // The number is an estimate, but it is certain whether any rows exist.
      strayRows: rest === undefined || rest.highest === null ? 0 : Math.max(rest.rows, 1),
    });
  }

  async #dispose(table: RetainedTable, partition: string, signal: AbortSignal): Promise<void> {
    const { database, archive, metrics, logger } = this.#options;
    // Keys say nothing that the events do not.
    if (table !== "event_key" && !this.#archived.has(partition)) {
      await archive?.(table, partition, signal);
      this.#archived.add(partition);
    }
    // Archiving can take minutes. If another agent has taken the turn meanwhile, it is reading the table.
    if (!this.#turn.isHeld)
      throw new Error(`the lock for retention was lost before ${partition} was dropped`);
    await rowOf(database, dropRetired, { partition });
    this.#archived.delete(partition);
    metrics.partitionDropped(table);
    logger.info({ table, partition }, `dropped ${partition}`);
  }

  /** Waits for the lock only briefly, but several times. */
  async #underLock<Input, Output>(
    statement: Statement<Input, Output>,
    input: Input,
    signal: AbortSignal,
  ): Promise<Output | undefined> {
    const { database, clock, random } = this.#options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await database.transaction(async (transaction) => {
          await rowOf(transaction, boundLocks, { waitMs: lockWaitMs, idleMs: lockIdleMs });
          return await rowOf(transaction, statement, input);
        });
      } catch (error) {
        if (classifyDatabaseError(error) !== "conflict" || attempt >= lockAttemptsMax) throw error;
      }
      await clock.sleep(100 + 400 * random(), signal);
      signal.throwIfAborted();
    }
  }
}

/** Does each of them even if another fails. @throws the first failure */
async function doAll(works: readonly (() => Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const work of works) {
    try {
      await work();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

function isOwed(error: unknown): boolean {
  return sqlState(error) === "55006";
}
