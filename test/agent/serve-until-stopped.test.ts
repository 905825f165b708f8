import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test } from "vitest";

test.each<NodeJS.Signals>(["SIGINT", "SIGTERM"])("%s stops the service", async (signal) => {
  const service = await startService("well-behaved", "serving");

  service.child.kill(signal);

  expect(await service.ending()).toEqual({ code: 0, signal: null });
  expect(service.said()).toBe("starting\nserving\nstopping\nstopped\n");
});

test("a signal while the service starts stops it too", async () => {
  const service = await startService("never-starts", "starting");

  service.child.kill("SIGTERM");

  expect(await service.ending()).toEqual({ code: 0, signal: null });
  expect(service.said()).toBe("starting\nstopping\nstopped\n");
});

test("a second signal during the stop ends the process at once and says so", async () => {
  const service = await startService("never-stops", "serving");
  service.child.kill("SIGTERM");
  await expect.poll(() => service.said()).toContain("stopping");

  // Like a user whose first Ctrl-C seems to have no effect.
  const impatience = setInterval(() => service.child.kill("SIGINT"), 100);
  onTestFinished(() => clearInterval(impatience));

  expect(await service.ending()).toEqual({ code: 1, signal: null });
  expect(await service.complaint).toContain("ended at once by a second signal (SIGINT)");
});

test("a signal that arrives twice, as through a wrapper, counts once", async () => {
  const service = await startService("stops-slowly", "serving");

  service.child.kill("SIGINT");
  service.child.kill("SIGTERM");

  expect(await service.ending()).toEqual({ code: 0, signal: null });
  expect(service.said()).toBe("starting\nserving\nstopping\nstopped\n");
});

test.each([
  ["fails-to-start", "starting\nstopping\nfailed: Error: the port is taken\n"],
  ["fails-later", "starting\nserving\nstopping\nfailed: Error: superseded\n"],
])("a service that %s is stopped, and its failure is handed on", async (behaviour, said) => {
  const service = await startService(behaviour, "starting");

  expect(await service.ending()).toEqual({ code: 0, signal: null });
  expect(service.said()).toBe(said);
});

interface RunningService {
  readonly child: ChildProcess;
  readonly complaint: Promise<string>;
  said(): string;
  ending(): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

async function startService(behaviour: string, until: string): Promise<RunningService> {
  const fixture = new URL("../fixtures/agent/stubborn-service.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [fixture, behaviour], { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const closed = once(child, "close");
  let said = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  const complaint = text(child.stderr);
  await expect.poll(() => said, { timeout: 10_000 }).toContain(until);
  return {
    child,
    complaint,
    said: () => said,
    async ending() {
      await closed;
      return { code: child.exitCode, signal: child.signalCode };
    },
  };
}
