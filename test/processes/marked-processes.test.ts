import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { afterEach, expect, test, vi } from "vitest";
import { killMarked } from "../../src/processes/marked-processes.ts";

vi.mock("node:fs/promises", { spy: true });

const started: ChildProcess[] = [];
afterEach(() => {
  for (const each of started.splice(0)) each.kill("SIGKILL");
});

async function startMarked(value: string): Promise<ChildProcess> {
  // Not ours to reap by its group: only its mark leads to it.
  const child = spawn("/bin/sleep", ["300"], {
    env: { ATTUNE_TEST_MARK: value },
    detached: true,
    stdio: "ignore",
  });
  started.push(child);
  await once(child, "spawn");
  return child;
}

test("many that are asked for at once are killed by a few looks at the processes of the machine", async () => {
  const values = Array.from({ length: 40 }, () => randomUUID());
  const children = await Promise.all(values.map(startMarked));
  const spared = await startMarked(randomUUID());
  const ends = Promise.all(children.map((child) => once(child, "exit")));
  vi.mocked(readdir).mockClear();

  await Promise.all(values.map((value) => killMarked(`ATTUNE_TEST_MARK=${value}`)));

  await ends;
  expect(children.map(({ signalCode }) => signalCode)).toEqual(values.map(() => "SIGKILL"));
  expect(spared.signalCode).toBeNull();
  // One that finds them, and one that finds that they have forked nothing meanwhile.
  expect(vi.mocked(readdir).mock.calls.length).toBeLessThanOrEqual(3);
});

test("one that is asked for while a look is under way is found by the next", async () => {
  const [first, second] = await Promise.all([startMarked("first"), startMarked("second")]);
  const ends = Promise.all([once(first, "exit"), once(second, "exit")]);

  const looking = killMarked("ATTUNE_TEST_MARK=first");
  await new Promise(setImmediate);
  await Promise.all([looking, killMarked("ATTUNE_TEST_MARK=second")]);

  await ends;
  expect([first.signalCode, second.signalCode]).toEqual(["SIGKILL", "SIGKILL"]);
});
