/** What a verification has looked at and found, bounded in memory whatever it finds. */
import type { JsonObject } from "../model/json/json.ts";
import { violationKinds, type Violation, type ViolationKind } from "../model/verification/violation.ts";

export interface Checked {
  events: number;
  enforcements: number;
  messages: number;
  checkpoints: number;
  keys: number;
}

const examplesMax = 20;

interface Found {
  count: number;
  repaired: number;
  readonly examples: string[];
}

const kinds: readonly string[] = Object.keys(violationKinds);

export class VerificationReport {
  readonly checked: Checked = { events: 0, enforcements: 0, messages: 0, checkpoints: 0, keys: 0 };
  /** Events from before the revision of their rules was recorded. */
  unprovable = 0;
  readonly #found = new Map<ViolationKind, Found>();
  readonly #onViolation: (violation: Violation) => void;

  constructor(onViolation: (violation: Violation) => void = () => {}) {
    this.#onViolation = onViolation;
  }

  add(violation: Violation, isRepaired = false): void {
    const { kind, text } = violation;
    const found = this.#found.getOrInsertComputed(kind, () => ({ count: 0, repaired: 0, examples: [] }));
    found.count += 1;
    if (isRepaired) found.repaired += 1;
    if (found.examples.length < examplesMax) found.examples.push(isRepaired ? `${text}: repaired` : text);
    this.#onViolation(violation);
  }

  get violationCount(): number {
    return this.#found.values().reduce((sum, { count }) => sum + count, 0);
  }

  /** Violations that are still there. */
  get leftCount(): number {
    return this.#found.values().reduce((sum, { count, repaired }) => sum + count - repaired, 0);
  }

  json(): JsonObject {
    return {
      checked: { ...this.checked },
      unprovable_events: this.unprovable,
      violations: this.violationCount,
      repaired: this.violationCount - this.leftCount,
      found: Array.from(this.#found)
        .toSorted(([one], [other]) => kinds.indexOf(one) - kinds.indexOf(other))
        .map(([kind, found]) => foundJson(kind, found)),
    };
  }
}

function foundJson(kind: ViolationKind, { count, repaired, examples }: Found): JsonObject {
  const { one, many, remedy } = violationKinds[kind];
  const meaning = count === 1 ? one : many;
  return { kind, meaning, count, repaired, examples, remedy: repaired < count ? remedy : null };
}
