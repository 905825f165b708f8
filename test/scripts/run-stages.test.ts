import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { runStages } from "../../scripts/checks/run-stages.ts";

const { signal } = new AbortController();

let told = "";
const output = { write: (text: string) => (told += text) !== "" };
const shell = (name: string, script: string) => ({
  name,
  file: "sh",
  args: ["-c", script],
  env: {},
  signal,
  output,
});

beforeEach(() => {
  told = "";
});

test("two stages run at once, and each one's output is in one piece", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-stages-"));
  // Each waits for the other, so that one after the other they would never end.
  const meeting = (own: string, other: string): string =>
    `cd ${directory.path}; echo ${own} began; touch ${own}; ` +
    `until [ -e ${other} ]; do sleep 0.01; done; echo ${own} met ${other} >&2`;

  const outcomes = await runStages([shell("a", meeting("a", "b")), shell("b", meeting("b", "a"))], 2);

  expect(outcomes).toMatchObject([
    { name: "a", passed: true },
    { name: "b", passed: true },
  ]);
  expect(told).toMatch(/── a\na began\na met b\n── a: passed \(/);
  expect(told).toMatch(/── b\nb began\nb met a\n── b: passed \(/);
});

test("after a failure the others run all the same, and the outcomes are in the order given", async () => {
  const stages = [shell("slow", "sleep 0.2"), shell("bad", "echo oh no; exit 1"), shell("last", "exit 0")];

  expect(await runStages(stages, 2)).toMatchObject([
    { name: "slow", passed: true },
    { name: "bad", passed: false },
    { name: "last", passed: true },
  ]);
  expect(told).toContain("── bad\noh no\n── bad: failed with 1 (");
});

test("an interruption starts no more", async () => {
  const interruption = new AbortController();
  const begun = { ...shell("begun", "exec sleep 300"), signal: interruption.signal };
  const waiting = { ...shell("waiting", "exit 0"), signal: interruption.signal };

  const running = runStages([begun, waiting], 1);
  interruption.abort();

  expect(await running).toMatchObject([{ name: "begun", passed: false }]);
});
