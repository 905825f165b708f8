import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

const fixture = new URL("../fixtures/agent/buggy-process.ts", import.meta.url).pathname;

test.each(["exception", "rejection"])(
  "an %s that nobody catches ends the process with one line of the log, without secrets",
  (kind) => {
    const { status, stderr } = spawnSync(process.execPath, [fixture, kind], { encoding: "utf8" });

    expect(status).toBe(1);
    expect(stderr.split("\n")).toHaveLength(2);
    expect(JSON.parse(stderr)).toMatchObject({
      level: "error",
      message: "the agent is exiting because of a bug; please report it",
      error: { message: "the password is [redacted]", stack: expect.stringContaining("buggy-process.ts") },
    });
  },
);
