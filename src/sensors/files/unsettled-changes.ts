/**
 * The recorded changes of a rule whose events are submitted and not all stored, duplicate or refused. Settled changes are
 * written to the rule's record many at once.
 */
import type { PreparedEvent, RecordedChange, RuleState } from "./rule-state.ts";

/**
 * Submits an event; resolves when there is room for the next.
 *
 * @param onSettled called once it is stored or never will be
 */
export type SubmitFileEvent = (event: PreparedEvent, onSettled: () => void) => Promise<boolean> | boolean;

export interface UnsettledChangesOptions {
  /** Null: nothing is recorded. */
  readonly state: RuleState | null;
  readonly submit: SubmitFileEvent;
  /** Called when there is something to write. */
  readonly onSettled: () => void;
}

export class UnsettledChanges {
  readonly #options: UnsettledChangesOptions;
  /** With the number of their events that are not settled. */
  readonly #unsettled = new Map<number, { readonly change: RecordedChange; left: number }>();
  #settled: number[] = [];

  constructor(options: UnsettledChangesOptions) {
    this.#options = options;
  }

  all(): readonly RecordedChange[] {
    return [...this.#unsettled.values()].map(({ change }) => change);
  }

  /** Whether settled changes are not written yet. */
  get hasSettled(): boolean {
    return this.#settled.length > 0;
  }

  /** Call it for a change before its events are submitted. */
  expect(change: RecordedChange): void {
    if (this.#options.state === null) return;
    if (change.events.length === 0) this.#settle(change.number);
    else this.#unsettled.set(change.number, { change, left: change.events.length });
  }

  /** Resolves when there is room for the next. */
  async submit({ number, events }: RecordedChange): Promise<void> {
    const settleOne = (): void => {
      const waiting = this.#unsettled.get(number);
      if (waiting === undefined) return;
      waiting.left -= 1;
      if (waiting.left === 0) this.#settle(number);
    };
    for (const event of events) {
      const submitted = this.#options.submit(event, settleOne);
      if (typeof submitted !== "boolean") await submitted;
    }
  }

  async writeSettled(): Promise<void> {
    const settled = this.#settled;
    this.#settled = [];
    await this.#options.state?.settle(settled);
  }

  #settle(number: number): void {
    this.#unsettled.delete(number);
    this.#settled.push(number);
    if (this.#settled.length === 1) this.#options.onSettled();
  }
}
