/** What became of each post of one request; complete once everything is settled, in the order of the posts. */
import type { Submitted } from "../../model/sensors/incoming-event.ts";
import type { PostOutcome } from "../../model/sensors/posted-event.ts";

export class OpenRequest {
  /** Rejects only after `fail`. */
  readonly outcomes: Promise<readonly PostOutcome[]>;
  readonly #settled: (PostOutcome | undefined)[];
  readonly #withdrawals: (() => boolean)[] = [];
  readonly #resolve: (outcomes: readonly PostOutcome[]) => void;
  readonly #reject: (error: unknown) => void;
  #open: number;

  constructor(count: number) {
    const { promise, resolve, reject } = Promise.withResolvers<readonly PostOutcome[]>();
    this.outcomes = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#open = count;
    this.#settled = Array.from({ length: count });
    if (count === 0) resolve([]);
  }

  get isSettled(): boolean {
    return this.#open === 0;
  }

  /** The first outcome of each counts. */
  settle(index: number, outcome: PostOutcome): void {
    if (this.#settled[index] !== undefined) return;
    this.#settled[index] = outcome;
    this.#open -= 1;
    if (this.#open === 0) this.#resolve(this.#settled.map((each) => each ?? { kind: "unknown" }));
  }

  follow<Outcome>(
    index: number,
    submitted: Submitted<Outcome>,
    postOutcome: (of: Outcome) => PostOutcome,
  ): void {
    this.#withdrawals[index] = () => submitted.withdraw();
    submitted.outcome.then(
      (of) => this.settle(index, postOutcome(of)),
      // The pipeline has stopped.
      () => this.settle(index, { kind: submitted.withdraw() ? "withdrawn" : "unknown" }),
    );
  }

  /** Settles everything that is certain not to be stored. */
  withdraw(): void {
    this.#eachOpen((index) => {
      const withdraw = this.#withdrawals[index];
      if (withdraw === undefined || withdraw()) this.settle(index, { kind: "withdrawn" });
    });
  }

  /** Settles the rest, too. */
  giveUp(): void {
    this.#eachOpen((index) => this.settle(index, { kind: "unknown" }));
  }

  /** The request cannot be worked on because of a bug. */
  fail(error: unknown): void {
    this.#open = 0;
    this.#reject(error);
  }

  #eachOpen(work: (index: number) => void): void {
    for (const [index, outcome] of this.#settled.entries()) if (outcome === undefined) work(index);
  }
}
