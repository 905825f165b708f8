/** Where a real agent puts what its sensors write to stderr. */
import { existsSync } from "node:fs";
import { mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { agentFolder, startAgent } from "../support/agent-process.ts";
import { insertRule, insertSensor, insertTrigger } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";

test.each([
  { sensor: {}, environment: { container: "podman" }, hasFile: true },
  { sensor: { log_to: "stderr" }, environment: {}, hasFile: false },
])(
  "with the settings $sensor and the environment $environment the agent's log has a sensor's stderr",
  async ({ sensor, environment, hasFile }) => {
    await using fresh = await freshDatabase();
    await using packs = await mkdtempDisposable(join(tmpdir(), "attune-packs-"));
    await mkdir(join(packs.path, "demo/sensors"), { recursive: true });
    await writeFile(join(packs.path, "demo/sensors/say.sh"), "echo out of ink >&2; exec sleep 600\n");
    await insertTrigger(fresh.database, "demo.tick");
    await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
    await insertSensor(fresh.database, {
      ref: "demo.say",
      triggerRef: "demo.tick",
      runtimeRef: "core.sensor.shell",
      entrypoint: "say.sh",
    });
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: undefined,
      packsDirectory: packs.path,
      workerName: "talking",
      sensor,
    });
    await using agent = await startAgent(folder, { environment });

    const line =
      /^\{"level":"info","time":"[^"]+","sensor_ref":"demo\.say","from":"sensor","message":"out of ink"\}$/m;
    const said = async (): Promise<string> => {
      await agent.assertRunning();
      return readFile(folder.logPath, "utf8");
    };
    await expect.poll(said, { timeout: 30_000 }).toMatch(line);
    expect(existsSync(join(folder.path, "logs/demo.say.log"))).toBe(hasFile);
  },
);
