import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";

// Goal: what a newcomer runs first shows sensors, events and matches, and ends cleanly.
// Method: run it, press Ctrl-C once both a match in the log and one of the web server were shown.
test("the quickstart shows its sensors at work and ends with a summary", { timeout: 180_000 }, async () => {
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-quickstart-"));
  const program = join(repositoryRoot, "scripts/quickstart.ts");
  // As scripts/quickstart does.
  const options = ["--disable-warning=ExperimentalWarning", program];
  const quickstart = spawn(
    process.execPath,
    [...options, "--directory", directory.path, "--seconds", "150"],
    {
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  const ended = once(quickstart, "exit");
  const complaints = text(quickstart.stderr);
  let shown = "";
  quickstart.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    shown += chunk;
  });

  const expected = [
    /match +logwatch\.errors/,
    /match +httpcheck\.changed/,
    /event +diskwatch\./,
    /event +procwatch\./,
    /match +heartbeat\.quick/,
    /match +heartbeat\.calm/,
    /match +quickstart\.every_ten_seconds .*fire number \d/,
    /match +quickstart\.hello .*the demo shop says hello/,
  ];
  const hasShownAll = (): boolean => expected.every((line) => line.test(shown));
  await Promise.race([ended, expect.poll(hasShownAll, { timeout: 150_000 }).toBe(true)]);
  quickstart.kill("SIGINT");
  const [code] = await ended;

  expect(await complaints).toBe("");
  expect(shown).toMatch(/curl -X POST http:\/\/127\.0\.0\.1:\d+\/webhooks\/hello /);
  expect(shown).toMatch(/sensor +logwatch\.lines +running/);
  expect(shown).toMatch(/^\d+ events, \d+ enforcements in \d+ s$/m);
  expect(shown).not.toContain("\u001b");
  expect(code).toBe(0);
});
