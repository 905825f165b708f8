/** The parts of a recurrence rule of RFC 5545, section 3.3.10, and what is allowed in each of them. */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import { nearestName } from "../texts/nearest-name.ts";

export type RecurrenceParts = ReadonlyMap<string, string>;

const frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
const weekday = "(?:MO|TU|WE|TH|FR|SA|SU)";

type Check = (text: string) => boolean;

const wholeNumber: Check = (text) => /^[1-9]\d{0,8}$/.test(text);

/** A list of numbers, each from the lowest to the highest; or below zero, counted from the end. */
function numbers(lowest: number, highest: number, isFromEnd = false): Check {
  const isAllowed = (value: number): boolean =>
    (value >= lowest && value <= highest) || (isFromEnd && -value >= lowest && -value <= highest);
  return (text) => text.split(",").every((each) => /^[+-]?\d{1,3}$/.test(each) && isAllowed(Number(each)));
}

const checks: ReadonlyMap<string, { readonly isAllowed: Check; readonly expects: string }> = new Map([
  ["FREQ", { isAllowed: (text) => frequencies.includes(text), expects: `one of ${frequencies.join(", ")}` }],
  ["INTERVAL", { isAllowed: wholeNumber, expects: "a whole number from 1" }],
  ["COUNT", { isAllowed: wholeNumber, expects: "a whole number from 1" }],
  [
    "UNTIL",
    { isAllowed: (text) => /^\d{8}(T\d{6}Z?)?$/.test(text), expects: "a time like 20261231T170000Z" },
  ],
  ["BYSECOND", { isAllowed: numbers(0, 59), expects: "seconds from 0 to 59" }],
  ["BYMINUTE", { isAllowed: numbers(0, 59), expects: "minutes from 0 to 59" }],
  ["BYHOUR", { isAllowed: numbers(0, 23), expects: "hours from 0 to 23" }],
  [
    "BYDAY",
    {
      isAllowed: (text) =>
        new RegExp(`^(?:[+-]?[1-9]\\d?)?${weekday}(?:,(?:[+-]?[1-9]\\d?)?${weekday})*$`).test(text),
      expects: "weekdays like MO,TU or -1FR",
    },
  ],
  ["BYMONTHDAY", { isAllowed: numbers(1, 31, true), expects: "days from 1 to 31 or from -31 to -1" }],
  ["BYYEARDAY", { isAllowed: numbers(1, 366, true), expects: "days from 1 to 366 or from -366 to -1" }],
  ["BYWEEKNO", { isAllowed: numbers(1, 53, true), expects: "weeks from 1 to 53 or from -53 to -1" }],
  ["BYMONTH", { isAllowed: numbers(1, 12), expects: "months from 1 to 12" }],
  ["BYSETPOS", { isAllowed: numbers(1, 366, true), expects: "positions from 1 to 366 or from -366 to -1" }],
  ["WKST", { isAllowed: (text) => new RegExp(`^${weekday}$`).test(text), expects: "a weekday like MO" }],
]);

/** @param text with or without `RRULE:` in front, in any case */
export function decodeRecurrenceParts(text: string): Decoded<RecurrenceParts> {
  const rule = text
    .trim()
    .toUpperCase()
    .replace(/^RRULE:/, "");
  if (rule === "") return invalid("must not be empty: write a rule like FREQ=DAILY;BYHOUR=9;BYMINUTE=30");
  if (/\s/.test(rule)) return invalid("must be a single rule; use exclude for dates to leave out");
  const parts = new Map<string, string>();
  for (const part of rule.split(";")) {
    const [name = "", ...values] = part.split("=");
    const value = values.join("=");
    const problem = partProblem(name, value, part);
    if (problem !== undefined) return invalid(problem);
    if (parts.has(name)) return invalid(`names ${name} twice`);
    parts.set(name, value);
  }
  if (!parts.has("FREQ")) return invalid("must name a frequency, like FREQ=DAILY");
  if (parts.has("COUNT") && parts.has("UNTIL"))
    return invalid("must not have both COUNT and UNTIL (RFC 5545)");
  const problem = combinationProblem(parts);
  return problem === undefined ? valid(parts) : invalid(problem);
}

/** Combinations that RFC 5545 forbids although it allows each part alone. */
function combinationProblem(parts: RecurrenceParts): string | undefined {
  const frequency = parts.get("FREQ") ?? "";
  const days = parts.get("BYDAY");
  const isYearly = frequency === "YEARLY";
  if (days !== undefined && /\d/.test(days)) {
    const asked = `has FREQ=${frequency} with BYDAY=${days}`;
    if (!isYearly && frequency !== "MONTHLY")
      return `${asked}; numbers before weekdays need FREQ=MONTHLY or FREQ=YEARLY, else write BYDAY=${days.replaceAll(/[+-]?\d+/g, "")}`;
    if (parts.has("BYWEEKNO"))
      return `${asked} and BYWEEKNO; remove the numbers before weekdays, or BYWEEKNO`;
  }
  const misplaced = [
    { name: "BYWEEKNO", isAllowed: isYearly, expects: "FREQ=YEARLY" },
    { name: "BYMONTHDAY", isAllowed: frequency !== "WEEKLY", expects: "another frequency than WEEKLY" },
    {
      name: "BYYEARDAY",
      isAllowed: !/^(MONTHLY|WEEKLY|DAILY)$/.test(frequency),
      expects: "FREQ=YEARLY, HOURLY, MINUTELY or SECONDLY",
    },
  ].find(({ name, isAllowed }) => parts.has(name) && !isAllowed);
  if (misplaced !== undefined) {
    const { name, expects } = misplaced;
    return `has FREQ=${frequency} with ${name}=${parts.get(name)}; ${name} needs ${expects}`;
  }
  const position = parts.get("BYSETPOS");
  const hasOthers = [...parts.keys()].some((name) => name.startsWith("BY") && name !== "BYSETPOS");
  return position === undefined || hasOthers
    ? undefined
    : `has BYSETPOS=${position} alone; it selects among others, so add one like BYDAY=MO`;
}

function partProblem(name: string, value: string, part: string): string | undefined {
  if (part === "") return "has an empty part: remove the extra semicolon";
  const check = checks.get(name);
  if (check === undefined) {
    const nearest = nearestName(name, [...checks.keys()]);
    return `has the unknown part ${part}${nearest === undefined ? "" : `; did you mean ${nearest}?`}`;
  }
  return check.isAllowed(value) ? undefined : `has ${part}; ${name} must be ${check.expects}`;
}
