import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { RecentAnswers } from "../../src/api/recent-answers.ts";

function open(limits: { readonly countMax: number; readonly bytesMax: number }) {
  let nowMs = 0;
  const answers = new RecentAnswers<string, string>({
    ...limits,
    keptMs: 1_000,
    bytesOf: (answer) => answer.length,
    clock: { monotonicMs: () => nowMs },
  });
  const keep = async (key: string, answer: string): Promise<void> => {
    answers.keep(key, Promise.resolve(answer));
    await turn();
  };
  return { answers, keep, pass: (ms: number) => (nowMs += ms) };
}

test("an answer is there once, for a while", async () => {
  const { answers, keep, pass } = open({ countMax: 10, bytesMax: 100 });
  await keep("a", "one");
  await keep("b", "other");

  expect(await answers.take("a")).toBe("one");
  expect(answers.take("a")).toBeUndefined();
  pass(1_000);
  expect(answers.take("b")).toBeUndefined();
});

test.each([
  ["too many", { countMax: 2, bytesMax: 1_000 }],
  ["too large together", { countMax: 10, bytesMax: 12 }],
])("the oldest answers are forgotten when they are %s", async (_, limits) => {
  const { answers, keep } = open(limits);

  for (const key of ["a", "b", "c"]) await keep(key, "x".repeat(5));

  expect(answers.take("a")).toBeUndefined();
  expect(await answers.take("b")).toBe("xxxxx");
  expect(await answers.take("c")).toBe("xxxxx");
});

test("an answer counts once it is known, and one that was replaced or taken counts no more", async () => {
  const { answers, keep } = open({ countMax: 10, bytesMax: 10 });
  const late = Promise.withResolvers<string>();
  answers.keep("late", late.promise);
  for (let time = 0; time < 5; time += 1) await keep("same", "x".repeat(8));
  expect(await answers.take("same")).toBe("xxxxxxxx");
  await keep("same", "x".repeat(8));

  late.resolve("y".repeat(8));
  await turn();

  expect(answers.take("late")).toBeUndefined();
  expect(await answers.take("same")).toBe("xxxxxxxx");
});

test("an answer that fails is forgotten", async () => {
  const { answers } = open({ countMax: 10, bytesMax: 10 });

  answers.keep("a", Promise.reject(new Error("a bug")));
  await turn();

  expect(answers.isEmpty).toBe(true);
});
