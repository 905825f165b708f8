/** Reads a rule's params one by one and collects what is wrong with them. */
import { nearestDouble } from "../json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import type { Place, PlacedProblem } from "../placed-problem.ts";
import { nearestName } from "../texts/nearest-name.ts";

export class ParamReader {
  readonly #params: JsonObject;
  readonly #place: Place;
  readonly #problems: PlacedProblem[];
  readonly #known: string[] = [];

  constructor(params: JsonObject, problems: PlacedProblem[], place: Place = []) {
    this.#params = params;
    this.#place = place;
    this.#problems = problems;
  }

  /** Null counts as absent. */
  has(name: string): boolean {
    return this.value(name) !== undefined;
  }

  value(name: string): Exclude<JsonValue, null> | undefined {
    this.#known.push(name);
    return this.#params[name] ?? undefined;
  }

  refuse(name: string, reason: string): undefined {
    this.#problems.push({ place: [...this.#place, name], reason });
    return undefined;
  }

  text(name: string): string | undefined {
    const value = this.value(name);
    if (value === undefined || typeof value === "string") return value;
    return this.refuse(name, `must be text, not ${shown(value)}`);
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[]): Choice | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    return this.refuse(
      name,
      `must be ${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}, not ${shown(value)}`,
    );
  }

  /** @param bounds inclusive */
  number(name: string, bounds: { readonly min: number; readonly max: number }): number | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    const number = nearestDouble(value);
    if (number === undefined) return this.refuse(name, `must be a number, not ${shown(value)}`);
    if (number < bounds.min) return this.refuse(name, `must be at least ${bounds.min}, not ${number}`);
    if (number > bounds.max) return this.refuse(name, `must be at most ${bounds.max}, not ${number}`);
    return number;
  }

  /** A mapping, whose members are read with the reader it returns. */
  members(name: string): ParamReader | undefined {
    const value = this.value(name);
    if (value === undefined) return undefined;
    if (isJsonObject(value)) return new ParamReader(value, this.#problems, [...this.#place, name]);
    return this.refuse(name, `must be a mapping, not ${shown(value)}`);
  }

  /** A list; a single value counts as a list with one member. */
  list(name: string): readonly JsonValue[] {
    const value = this.value(name);
    if (value === undefined) return [];
    return isJsonArray(value) ? value : [value];
  }

  /** Refuses params that nobody has read. */
  refuseUnknown(): void {
    for (const name of Object.keys(this.#params)) {
      if (this.#known.includes(name)) continue;
      const nearest = nearestName(name, this.#known);
      this.refuse(
        name,
        `is not a param of this trigger${nearest === undefined ? "" : `; did you mean ${nearest}?`}`,
      );
    }
  }
}

/** As JSON, shortened; the database refuses a character that is cut in half. */
export function shown(value: JsonValue): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57).toWellFormed()}...`;
}
