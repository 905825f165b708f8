/** The numeric parts of cron's fields, and the mistakes that are common in them, in the words of the author. */
import { invalid, valid, type Decoded } from "../json/decoded.ts";

const ranges = {
  second: [0, 59],
  minute: [0, 59],
  hour: [0, 23],
  "day of month": [1, 31],
  month: [1, 12],
  "day of week": [0, 7],
} as const;

export type FieldName = keyof typeof ranges;
export type TimeFieldName = "second" | "minute" | "hour";
export type DayFieldName = Exclude<FieldName, TimeFieldName>;

/** What to write in the fields for days. */
export const dayFieldExamples: Readonly<Record<DayFieldName, string>> = {
  "day of month":
    "days from 1 to 31, ranges like 1-5, steps like */2, 15W (the weekday nearest to the 15th), L (the last day) or LW (the last weekday)",
  month: "months from 1 to 12 or JAN to DEC, ranges like 3-5, or steps like */2",
  "day of week":
    "days from 0 to 7 or SUN to SAT, ranges like MON-FRI, MON#1 (the first Monday) or 5L (the last Friday)",
};

/** Sorted values by field, so that expressions with the same field share them. */
const known = new Map<string, readonly number[]>();
const knownMax = 5_000;

/** The values of a field for the time of day, in ascending order. */
export function decodeTimeField(name: TimeFieldName, field: string): Decoded<readonly number[]> {
  const key = `${name} ${field}`;
  const present = known.get(key);
  if (present !== undefined) return valid(present);

  const values = new Set<number>();
  for (const part of field.split(",")) {
    const numbers = decodePart(name, field, part);
    if (numbers.kind === "invalid") return numbers;
    if (numbers.value === undefined)
      return invalid(
        `has the ${name} ${part}, which is not a number, range or step; write a value like ${ranges[name][1]}, a range like 1-5 or a step like */5`,
      );
    const { from, to, step } = numbers.value;
    for (let value = from; value <= to; value += step) values.add(value);
  }
  const sorted = [...values].toSorted((one, other) => one - other);
  if (known.size >= knownMax) known.clear();
  known.set(key, sorted);
  return valid(sorted);
}

/** What is wrong with the numbers in a field; anything else in it is not looked at. */
export function numberProblem(name: FieldName, field: string): string | undefined {
  for (const part of field.split(",")) {
    const numbers = decodePart(name, field, part);
    if (numbers.kind === "invalid") return numbers.problem;
  }
  return undefined;
}

interface Numbers {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** Undefined if it consists of anything but numbers. */
function decodePart(name: FieldName, field: string, part: string): Decoded<Numbers | undefined> {
  if (part === "") return invalid(`has an empty part in the ${name} ${field}`);
  const [lowest, highest] = ranges[name];
  const match = /^(?:[*?]|(\d+)(?:-(\d+))?)(?:\/(\d+))?$/.exec(part);
  if (match === null) return valid(undefined);
  const [from = lowest, to, step] = match
    .slice(1)
    .map((text) => (text === undefined ? undefined : Number(text)));
  const isStar = match[1] === undefined;
  const outside = [from, to ?? from].find((value) => value < lowest || value > highest);
  if (outside !== undefined)
    return invalid(`has the ${name} ${outside}, which is not from ${lowest} to ${highest}`);
  if (to !== undefined && from > to) {
    return invalid(
      `has the ${name} range ${part}, which runs backwards; write ${from}-${highest},${lowest}-${to}`,
    );
  }
  if (step !== undefined && !isStar && to === undefined)
    return invalid(`has the ${name} ${part}, a step without a range; write ${from}-${highest}/${step}`);
  // Sunday is both 0 and 7.
  const count = name === "day of week" ? 7 : highest - lowest + 1;
  if (step === 0) return invalid(`has the ${name} ${part}; a step must be at least 1`);
  if (step !== undefined && step > count)
    return invalid(`has the ${name} ${part}; a step must be at most ${count}`);
  return valid({ from, to: isStar ? highest : (to ?? from), step: step ?? 1 });
}
