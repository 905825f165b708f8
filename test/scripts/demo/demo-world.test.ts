import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isHealthyAfter, startDemoWorld } from "../../../scripts/demo/demo-world.ts";
import { systemClock } from "../../../src/time/clock.ts";

test("the log grows and the web server answers until the demo ends", async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "demo-"));
  const logPath = join(directory.path, "shop", "shop.log");
  const world = await startDemoWorld({ logPath, webhookUrl: "http://127.0.0.1:9/" }, systemClock);
  await expect.poll(() => readFile(logPath, "utf8").catch(() => "")).toContain("served");
  expect((await fetch(world.healthUrl)).status).toBe(200);

  await world[Symbol.asyncDispose]();

  await expect(fetch(world.healthUrl)).rejects.toThrow();
});

test("the web server is healthy first, then not, and over again", () => {
  const seconds = Array.from({ length: 24 }, (_, second) => isHealthyAfter(second * 1_000));

  expect(seconds.map((isHealthy) => (isHealthy ? "+" : "-")).join("")).toBe("++++++++----++++++++----");
});
