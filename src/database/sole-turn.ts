/**
 * The turn at work that only one agent of an installation does at a time. It goes with a lock of the database, so another
 * agent gets it when this one ends or loses its connection.
 */
import type { Database, HeldLock } from "./database.ts";

export class SoleTurn implements AsyncDisposable {
  readonly #database: Database;
  readonly #work: string;
  #lock: HeldLock | undefined;

  /** @param work in a word */
  constructor(database: Database, work: string) {
    this.#database = database;
    this.#work = work;
  }

  get isHeld(): boolean {
    return this.#lock?.isHeld === true;
  }

  /** Whether it is this agent's turn, which it becomes if it is nobody's. */
  async take(): Promise<boolean> {
    if (!this.isHeld) this.#lock = await this.#database.tryLock(`${this.#database.schema}:${this.#work}`);
    return this.#lock !== undefined;
  }

  /** Leaves it to others. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.[Symbol.asyncDispose]();
  }
}
