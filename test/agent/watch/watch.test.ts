import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { agentFolder, startAgent } from "../../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger } from "../../support/platform-rows.ts";
import { freshDatabase } from "../../support/postgres.ts";

test("an agent with --watch prints a line for events, matches and changes of sensors", async () => {
  await using fresh = await freshDatabase();
  const { database } = fresh;
  await insertTrigger(database, "fault.number");
  await insertRule(database, { ref: "fault.every", triggerRef: "fault.number" });
  await insertSensor(database, {
    ref: "fault.counter",
    triggerRef: "fault.number",
    runtimeRef: "core.sensor.nodejs",
    entrypoint: "counter.mjs",
  });
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "watched",
  });
  const command = { file: process.execPath, args: [join(repositoryRoot, "src/main.ts"), "--watch"] };
  await using agent = await startAgent(folder, { command, environment: { NO_COLOR: "1" } });

  const shown = async (): Promise<string> => {
    await agent.assertRunning();
    return readFile(folder.logPath, "utf8");
  };
  await expect
    .poll(shown, { timeout: 30_000 })
    .toMatch(/match +fault\.every {2}enforcement \d+ of event \d+/);
  expect(await shown()).toMatch(/^\d\d:\d\d:\d\d {2}event +fault\.number {2}from fault\.counter {2}n=\d+/m);
  expect(await shown()).toMatch(/^\d\d:\d\d:\d\d {2}sensor +fault\.counter {2}running$/m);
  // The log beside it is as always.
  expect(await shown()).toMatch(/^\{"level":"info".*registered worker watched"\}$/m);
});

// Goal: a watcher that does not read loses lines, but never stops the agent.
// Method: the reader of a pipe reads nothing before the writer has reported that it is done.
test("a pipe that is not read blocks nothing", async () => {
  const writer = join(repositoryRoot, "test/fixtures/agent/write-unread.ts");
  const shell = spawn(
    "/bin/sh",
    ["-c", '"$@" | { cat <&3 > /dev/null; cat; }', "sh", process.execPath, writer],
    {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    },
  );
  const ended = once(shell, "exit");
  const [, stdout, stderr, start] = shell.stdio;
  if (stdout === null || stderr === null || start === undefined || start === null || !("end" in start))
    throw new Error("the shell was to have pipes");

  expect(String((await once(stderr, "data"))[0])).toContain("written");
  start.end();
  const read = await text(stdout);

  await ended;
  expect(read.length).toBeGreaterThan(0);
  expect(read.length).toBeLessThan(10_000_000);
});
