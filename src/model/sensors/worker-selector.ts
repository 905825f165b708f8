/**
 * Which workers may run a sensor: `{worker: NAME}`, `{labels: {KEY: VALUE}}`, both, or neither for any worker. Sensors name
 * them in `placement`, rules of some built-in sensors in their `trigger_params`.
 */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { isJsonObject, type JsonValue } from "../json/json.ts";

export interface WorkerSelector {
  /** Null: a worker of any name. */
  readonly worker: string | null;
  /** The labels that a worker must have, with their values. */
  readonly labels: ReadonlyMap<string, string>;
}

export const anyWorker: WorkerSelector = { worker: null, labels: new Map() };

/** Other members are ignored. */
export function decodeWorkerSelector(value: JsonValue): Decoded<WorkerSelector> {
  if (!isJsonObject(value)) return invalid("must be a mapping");
  const { worker = null, labels = null } = value;
  if (worker !== null && (typeof worker !== "string" || worker === "")) {
    return invalid(`worker must be the name of a worker, not ${JSON.stringify(worker)}`);
  }
  if (labels === null) return valid({ worker, labels: new Map() });
  if (!isJsonObject(labels)) return invalid("labels must be a mapping of labels to their values");
  const entries: [string, string][] = [];
  for (const [label, wanted] of Object.entries(labels)) {
    if (typeof wanted !== "string") return invalid(`the value of the label ${label} must be text, in quotes`);
    entries.push([label, wanted]);
  }
  return valid({ worker, labels: new Map(entries) });
}

/** @returns a clause about the first thing that excludes the worker; undefined if it is selected */
export function exclusion(
  { worker, labels }: WorkerSelector,
  candidate: { readonly name: string; readonly labels: ReadonlyMap<string, string> },
): string | undefined {
  if (worker !== null && worker !== candidate.name) return `is not ${worker}`;
  const missing = [...labels].find(([label, value]) => candidate.labels.get(label) !== value);
  return missing === undefined ? undefined : `does not have the label ${missing[0]}=${missing[1]}`;
}

/** Equal for equal selectors. */
export function selectorKey({ worker, labels }: WorkerSelector): string {
  return JSON.stringify([worker, [...labels].toSorted(([one], [other]) => (one < other ? -1 : 1))]);
}
