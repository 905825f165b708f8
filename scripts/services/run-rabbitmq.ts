/** Runs a private RabbitMQ until stopped; used by start-all-services.sh. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { isRunning } from "./is-running.ts";
import { runUntilStopped } from "./run-until-stopped.ts";
import { requireInstalled } from "./debian-packages.ts";
import { rabbitmq, startRabbitmq } from "./rabbitmq.ts";
import { servicesDirectory } from "./services-directory.ts";

const directory = join(servicesDirectory(), "rabbitmq");

await runUntilStopped("RabbitMQ", async () => {
  await requireInstalled(rabbitmq);
  await stopForgotten();
  return startRabbitmq({
    directory,
    port: Number(process.env["ATTUNE_RABBITMQ_PORT"] ?? "55672"),
    managementPort: Number(process.env["ATTUNE_RABBITMQ_MANAGEMENT_PORT"] ?? "55673"),
  });
});

/** Stops a server left behind by a killed process, which still occupies the ports. */
async function stopForgotten(): Promise<void> {
  const pid = (await readFile(join(directory, "rabbitmq.pid"), "utf8").catch(() => "")).trim();
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (pid === "" || !commandLine.includes(directory)) return;
  process.kill(Number(pid), "SIGTERM");
  while (isRunning(Number(pid))) await delay(100);
}
