import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { isRunning } from "../../../scripts/services/is-running.ts";
import { programDirectory } from "../../support/program-directory.ts";
import { startSensor, type SensorProgram } from "../../support/sensor-program.ts";

const shells = [["sh"], ["busybox", "sh"], ["bash", "--posix"]];

function usage(interpreter: readonly string[], config: JsonObject, path?: string): SensorProgram {
  return startSensor({
    pack: "diskwatch",
    interpreter,
    entrypoint: "usage.sh",
    config,
    ...(path === undefined ? {} : { path }),
  });
}

test.each(shells)("diskwatch reports the real file systems with %s", async (...interpreter) => {
  await using sensor = usage(interpreter, { ignore: "tmpfs devtmpfs" });

  expect(await sensor.ended).toBe(0);
  expect(sensor.printed).toContainEqual(
    expect.objectContaining({ mount: "/", used_percent: expect.any(Number) as unknown }),
  );
  expect(sensor.printed.map(({ device }) => device)).not.toContain("tmpfs");
});

test("diskwatch handles odd file systems, and continues if df fails for one of them", async () => {
  const programs = programDirectory();
  programs.script(
    "df",
    `cat <<'END'
Filesystem 1024-blocks Used Available Capacity Mounted on
/dev/sda1 100 95 5 95% /mnt/two words
none 0 0 0 - /proc/odd
/dev/sdb1 10 1 9 10% /mnt/a"quote
tmpfs 10 1 9 10% /run
END
exit 1`,
  );
  await using sensor = usage(["/bin/sh"], { ignore: "tmpfs" }, `${programs.path}:/usr/bin:/bin`);

  expect(await sensor.ended).toBe(0);
  expect(sensor.printed).toEqual([
    {
      mount: "/mnt/two words",
      device: "/dev/sda1",
      size_kb: 100,
      used_kb: 95,
      available_kb: 5,
      used_percent: 95,
    },
  ]);
  expect(sensor.stderr()).toContain('/mnt/a"quote');
});

test("diskwatch fails with a reason if there is no df", async () => {
  await using sensor = usage(["/bin/sh"], {}, programDirectory().path);

  expect(await sensor.ended).not.toBe(0);
  expect(sensor.stderr()).toContain("df");
});

test.each([[[]], ...shells.map((shell) => [shell])])(
  "procwatch samples /proc with %j",
  async (interpreter) => {
    await using sensor = startSensor({
      pack: "procwatch",
      interpreter,
      entrypoint: "sample",
      config: { interval: 1 },
    });

    await expect.poll(() => sensor.printed.length, { timeout: 10_000 }).toBeGreaterThan(1);

    for (const sample of sensor.printed) {
      expect(Object.keys(sample)).toEqual(["load_1m", "processes", "started", "memory_available_percent"]);
      // The sample itself starts a process or two, so none at all would be wrong.
      expect(sample["started"]).toBeGreaterThan(0);
      expect(sample["memory_available_percent"]).toBeLessThanOrEqual(100);
    }
  },
);

test("procwatch stops at once and leaves no sleep process behind", async () => {
  await using sensor = startSensor({
    pack: "procwatch",
    interpreter: [],
    entrypoint: "sample",
    config: { interval: 600 },
  });
  const sleeper = await childOf(sensor.pid);

  sensor.kill("SIGTERM");

  expect(await sensor.ended).toBe(0);
  await expect.poll(() => isRunning(sleeper)).toBe(false);
});

async function childOf(pid: number): Promise<number> {
  const { readFile } = await import("node:fs/promises");
  const children = () => readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  const isSleeping = async () => {
    const [child] = (await children()).trim().split(" ");
    if (child === undefined || child === "") return "";
    return readFile(`/proc/${child}/comm`, "utf8").catch(() => "");
  };
  await expect.poll(isSleeping, { timeout: 10_000 }).toBe("sleep\n");
  return Number((await children()).trim());
}
