/**
 * One process's registration under a worker name.
 *
 *   unregistered ──register()──▶ registered ──deregister()──▶ retired
 *                                    │
 *                                    └─ a heartbeat finds another instance in the row ─▶ superseded
 *
 * A name is taken if and only if a session holds its lock *and* its row has a live lease. A killed process
 * loses the lock with its connection, so its successor need not wait for the lease. A frozen process keeps the
 * lock but loses the lease; its successor supersedes it, and it finds out at its next write, because every
 * write is conditional on its instance.
 *
 * An unreachable database is an outcome of a heartbeat, not an error. The lock is lost with the connection
 * and taken again by the first heartbeat that succeeds.
 */
import assert from "node:assert/strict";
import { classifyDatabaseError } from "../database/errors.ts";
import type { Database, HeldLock } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import {
  lockNameHolder,
  markStaleWorkers,
  refreshWorker,
  registerWorker,
  retireWorker,
  updateWorkerCapabilities,
  type NameHolder,
  type StaleWorker,
  type WorkerOwner,
  type WorkerRegistration,
} from "../database/statements/workers.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Id } from "../model/identifiers.ts";
import type { JsonValue } from "../model/json/json.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Clock } from "../time/clock.ts";

export interface SensorWorkerRegistrationOptions {
  readonly database: Database;
  readonly worker: WorkerRegistration;
  /** Other workers consider this one dead once its heartbeat is older. */
  readonly staleAfterMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type HeartbeatOutcome =
  | { readonly kind: "alive" }
  /** Another process owns the row now, or it was deleted. This process must stop working under the name. */
  | { readonly kind: "superseded" }
  | { readonly kind: "unreachable"; readonly error: unknown };

/**
 * How long to wait for the name's lock if it is held. Its holder may have just been killed while the server is
 * still closing its connection, or may be starting and about to write its lease.
 */
const lockPatienceMs = 1_000;
const lockRetryMs = 100;

export class SensorWorkerRegistration {
  readonly #options: SensorWorkerRegistrationOptions;
  #capabilities: Record<string, JsonValue>;
  #workerId: Id | undefined;
  #lock: HeldLock | undefined;

  constructor(options: SensorWorkerRegistrationOptions) {
    this.#options = options;
    this.#capabilities = { ...options.worker.capabilities };
  }

  /** Undefined until registered. */
  workerId(): Id | undefined {
    return this.#workerId;
  }

  workerName(): string {
    return this.#options.worker.name;
  }

  /** Identifies this process in its row; see worker.instance. */
  instance(): string {
    return this.#options.worker.instance;
  }

  /** Whether this process holds the lock on its name; a lost one is taken again by a heartbeat. */
  isNameLocked(): boolean {
    return this.#lock?.isHeld === true;
  }

  /**
   * Takes the name: updates or inserts its row as active, with a lease and this process's instance.
   *
   * @throws OperatorError WORKER_NAME_TAKEN if a live process has the name
   */
  async register(): Promise<Id> {
    const { clock } = this.#options;
    const patienceEndsAtMs = clock.monotonicMs() + lockPatienceMs;
    for (;;) {
      await this.#takeLock();
      const isPatient = this.#lock === undefined && clock.monotonicMs() < patienceEndsAtMs;
      try {
        const id = await this.#registerOnce(isPatient);
        if (id !== undefined) {
          this.#workerId = id;
          return id;
        }
      } catch (error) {
        await this.#dropLock();
        throw error;
      }
      await clock.sleep(lockRetryMs);
    }
  }

  /** Reports that this worker is alive and active. Rejects only because of bugs. */
  async heartbeat(): Promise<HeartbeatOutcome> {
    try {
      const refreshed = await rowOf(this.#options.database.relaxed, refreshWorker, this.#owner());
      if (refreshed === undefined) return { kind: "superseded" };
      if (!this.isNameLocked()) await this.#takeLock();
      return { kind: "alive" };
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      return { kind: "unreachable", error };
    }
  }

  /** Marks this worker inactive and frees its name. Does nothing if it never registered or was superseded. */
  async deregister(): Promise<void> {
    if (this.#workerId === undefined) return;
    const { database, logger } = this.#options;
    try {
      await rowOf(database, retireWorker, this.#owner());
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") throw error;
      logger.warn({ error }, "could not deregister; the worker's lease will expire");
    }
    await this.#dropLock();
    this.#workerId = undefined;
  }

  /** Adds or replaces a capability; `updateCapabilities` publishes it. */
  addCapability(key: string, value: JsonValue): void {
    this.#capabilities = { ...this.#capabilities, [key]: value };
  }

  /** @returns false if another process owns the row now */
  async updateCapabilities(): Promise<boolean> {
    const input = { ...this.#owner(), capabilities: this.#capabilities };
    return (await rowOf(this.#options.database, updateWorkerCapabilities, input)) !== undefined;
  }

  /** Marks workers inactive that died without deregistering, and returns them. */
  async markStaleWorkers(): Promise<readonly StaleWorker[]> {
    const { database, staleAfterMs } = this.#options;
    return await rowsOf(database, markStaleWorkers, { staleAfterSeconds: staleAfterMs / 1000 });
  }

  /** @returns undefined if it is worth waiting, because the lock may be held for a moment only */
  async #registerOnce(isPatient: boolean): Promise<Id | undefined> {
    const { database, worker, staleAfterMs } = this.#options;
    return await database.transaction(async (transaction) => {
      const holder = await rowOf(transaction, lockNameHolder, {
        name: worker.name,
        instance: worker.instance,
        staleAfterSeconds: staleAfterMs / 1000,
      });
      // If this process holds the lock, any remaining lease belongs to a dead sensor worker. Action workers hold no lock.
      const isDead = this.#lock !== undefined && holder?.role !== "action";
      if (isPatient) return undefined;
      if (holder?.isAlive === true && !isDead) throw nameTaken(worker.name, holder);

      const input = { ...worker, capabilities: this.#capabilities };
      const registered = await rowOf(transaction, registerWorker, input);
      assert(registered !== undefined, "an upsert returns its row");
      return registered.id;
    });
  }

  #owner(): WorkerOwner {
    assert(this.#workerId !== undefined, "register() comes first");
    return { workerId: this.#workerId, instance: this.#options.worker.instance };
  }

  async #takeLock(): Promise<void> {
    // A lock lost with its connection must be released before it can be requested again.
    if (!this.isNameLocked()) await this.#dropLock();
    this.#lock ??= await this.#options.database.tryLock(`worker:${this.workerName()}`);
  }

  async #dropLock(): Promise<void> {
    const lock = this.#lock;
    this.#lock = undefined;
    await lock?.[Symbol.asyncDispose]();
  }
}

/** The error that ends a process after another one has taken over its name. */
export function superseded(workerName: string): OperatorError {
  return new OperatorError({
    code: "WORKER_SUPERSEDED",
    attempt: `continue as worker ${workerName}`,
    reason:
      "this process no longer owns its row: another process took over the name while this one sent no heartbeat, " +
      "or a failover or restore returned the database to a state before its start",
    remedy:
      "give each process its own name with --name or sensor.worker_name, or leave the name to the other process; " +
      "after a failover or restore, start this process again",
  });
}

function nameTaken(name: string, { role, host, pid, startedAt }: NameHolder): OperatorError {
  const whose = role === "action" ? "an action worker" : "another process";
  return new OperatorError({
    code: "WORKER_NAME_TAKEN",
    attempt: `register as worker ${name}`,
    reason: `the name is held by ${whose}, pid ${pid ?? "unknown"} on ${host ?? "an unknown host"}, since ${startedAt ?? "an unknown time"}`,
    remedy: "stop that process, or give this one another name with --name or sensor.worker_name",
  });
}
