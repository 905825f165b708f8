/**
 * Cron as the manual page describes it, for comparison: it tries every minute, and knows nothing of zones. Time is wall
 * time, in milliseconds as if the clock showed UTC.
 */
import fc from "fast-check";

/** An expression and the predicates of its fields. */
export interface NaiveCron {
  readonly expression: string;
  readonly matches: (wallMs: number) => boolean;
  readonly hasWildHour: boolean;
}

interface Field {
  readonly text: string;
  readonly has: (value: number) => boolean;
}

interface DayField {
  readonly text: string;
  readonly has: (day: Date) => boolean;
}

function numeric(lowest: number, highest: number): fc.Arbitrary<Field> {
  const value = fc.integer({ min: lowest, max: highest });
  const one = value.map((number): Field => ({ text: `${number}`, has: (each) => each === number }));
  const range = fc
    .tuple(value, value, fc.integer({ min: 1, max: Math.min(7, highest - lowest) }))
    .map(([either, other, step]): Field => {
      const [from, to] = [Math.min(either, other), Math.max(either, other)];
      return {
        text: step === 1 ? `${from}-${to}` : `${from}-${to}/${step}`,
        has: (each) => each >= from && each <= to && (each - from) % step === 0,
      };
    });
  const star = fc.integer({ min: 1, max: highest - lowest }).map((step): Field => ({
    text: step === 1 ? "*" : `*/${step}`,
    has: (each) => (each - lowest) % step === 0,
  }));
  return fc.oneof(listOf(fc.oneof(one, range)), one, star, listOf(fc.oneof(one, range, star)));
}

/** Each of one to three parts. */
function listOf<Value>(
  part: fc.Arbitrary<{ readonly text: string; readonly has: (value: Value) => boolean }>,
): fc.Arbitrary<{ readonly text: string; readonly has: (value: Value) => boolean }> {
  return fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(","),
    has: (value) => parts.some((each) => each.has(value)),
  }));
}

const daysIn = (day: Date): number =>
  new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();

const isWorkday = (day: Date): boolean => day.getUTCDay() % 6 !== 0;

function onDate(day: Date, date: number): Date {
  return new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth(), date));
}

/** The workday nearest to a date, in the same month. */
function nearestWorkday(day: Date, date: number): number {
  if (date > daysIn(day)) return 0;
  for (const distance of [0, -1, 1, 2, -2]) {
    const other = date + distance;
    if (other >= 1 && other <= daysIn(day) && isWorkday(onDate(day, other))) return other;
  }
  return 0;
}

function lastWorkday(day: Date): number {
  let date = daysIn(day);
  while (!isWorkday(onDate(day, date))) date -= 1;
  return date;
}

const someDates: fc.Arbitrary<DayField> = fc.oneof(
  numeric(1, 31).map(({ text, has }): DayField => ({ text, has: (day) => has(day.getUTCDate()) })),
  fc.constant<DayField>({ text: "*", has: () => true }),
  fc.constant<DayField>({ text: "L", has: (day) => day.getUTCDate() === daysIn(day) }),
  fc.constant<DayField>({ text: "LW", has: (day) => day.getUTCDate() === lastWorkday(day) }),
  fc.integer({ min: 1, max: 31 }).map((date): DayField => ({
    text: `${date}W`,
    has: (day) => day.getUTCDate() === nearestWorkday(day, date),
  })),
);

const dates = fc.oneof(someDates, listOf(someDates));

const names = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
const weekday = fc.integer({ min: 0, max: 6 });

const someWeekdays: fc.Arbitrary<DayField> = fc.oneof(
  // 7 is Sunday, too.
  numeric(0, 7).map(({ text, has }): DayField => ({
    text,
    has: (day) => has(day.getUTCDay()) || (day.getUTCDay() === 0 && has(7)),
  })),
  fc.constant<DayField>({ text: "*", has: () => true }),
  weekday.map((number): DayField => ({
    text: names[number] ?? "",
    has: (day) => day.getUTCDay() === number,
  })),
  fc.tuple(weekday, fc.integer({ min: 1, max: 5 })).map(([number, nth]): DayField => ({
    text: `${number}#${nth}`,
    has: (day) => day.getUTCDay() === number && Math.ceil(day.getUTCDate() / 7) === nth,
  })),
  weekday.map((number): DayField => ({
    text: `${number}L`,
    has: (day) => day.getUTCDay() === number && day.getUTCDate() + 7 > daysIn(day),
  })),
);

const weekdays = fc.oneof(someWeekdays, listOf(someWeekdays));

const months = fc.oneof(
  { weight: 3, arbitrary: fc.constant<Field>({ text: "*", has: () => true }) },
  numeric(1, 12),
);

/** Either day field suffices, unless one of them begins with a star: then both must match. */
function dayMatches(date: DayField, day: DayField): (wall: Date) => boolean {
  if (date.text.startsWith("*") || day.text.startsWith("*")) return (wall) => date.has(wall) && day.has(wall);
  return (wall) => date.has(wall) || day.has(wall);
}

/** Once a day at midnight, on days of all kinds. */
export const dailyCrons: fc.Arbitrary<NaiveCron> = fc
  .tuple(dates, months, weekdays)
  .map(([date, month, day]) => {
    const matchesDay = dayMatches(date, day);
    return {
      expression: `0 0 ${date.text} ${month.text} ${day.text}`,
      hasWildHour: false,
      matches: (wallMs) => matchesDay(new Date(wallMs)) && month.has(new Date(wallMs).getUTCMonth() + 1),
    };
  });

/** Every day, at times of all kinds. */
export const timeCrons: fc.Arbitrary<NaiveCron> = fc
  .tuple(numeric(0, 59), numeric(0, 23))
  .map(([minute, hour]) => ({
    expression: `${minute.text} ${hour.text} * * *`,
    hasWildHour: hour.text.startsWith("*") || Array.from({ length: 24 }, (_, each) => each).every(hour.has),
    matches: (wallMs) => {
      const wall = new Date(wallMs);
      return minute.has(wall.getUTCMinutes()) && hour.has(wall.getUTCHours());
    },
  }));
