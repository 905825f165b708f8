/**
 * The systemd unit at work: a real systemd, as the first process of a container, starts the executable under
 * everything the unit forbids.
 */
import { existsSync } from "node:fs";
import { mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { query } from "../../support/platform-rows.ts";
import { freshDatabase, type FreshDatabase } from "../../support/postgres.ts";
import { type Docker, openDocker } from "./docker.ts";
import { provideSystemd } from "./images.ts";

const unit = "attune-sensor-agent";
const container = `attune-test-systemd-${process.pid}`;
const waiting = { timeout: 60_000, interval: 250 };

/** Only below its own group, whichever version of cgroups the machine has; the namespace sees to that. */
const startSystemd =
  "mount -o remount,rw /sys/fs/cgroup/systemd 2>/dev/null || mount -o remount,rw /sys/fs/cgroup; " +
  "exec /lib/systemd/systemd";

const scope = new AsyncDisposableStack();
let docker: Docker;
let fresh: FreshDatabase;

const inside = async (...args: readonly string[]): Promise<string> =>
  (await docker.run("exec", container, ...args)).trim();
const property = async (name: string): Promise<string> =>
  inside("systemctl", "show", "--property", name, "--value", unit);
const eventCount = async (): Promise<number> =>
  (await query(fresh.database, "select id from event where trigger_ref = 'diskwatch.usage'")).length;

beforeAll(async () => {
  const executable = join(repositoryRoot, "dist", unit);
  if (!existsSync(executable)) throw new Error(`${executable} is not there; make it with: npm run build`);
  docker = scope.use(await openDocker());
  fresh = scope.use(await freshDatabase());
  const image = await provideSystemd(docker);
  const settings = scope.use(await mkdtempDisposable(join(tmpdir(), "attune-systemd-")));
  const variables = join(settings.path, "agent.env");
  await writeFile(variables, `ATTUNE__DATABASE__URL=${fresh.url}\nATTUNE__API__PORT=0\n`, { mode: 0o600 });

  const files = {
    [executable]: `/usr/local/bin/${unit}`,
    [join(repositoryRoot, `docker/systemd/${unit}.service`)]: `/etc/systemd/system/${unit}.service`,
    [join(repositoryRoot, "docker/systemd/agent.yaml")]: "/etc/attune/agent.yaml",
    [variables]: "/etc/attune/agent.env",
    [join(repositoryRoot, "packs")]: "/usr/local/share/attune/packs",
  };
  scope.defer(async () => void (await docker.attempt("rm", "--force", container)));
  await docker.run(
    "run",
    "--detach",
    `--name=${container}`,
    // What systemd itself needs; the unit takes it away from the agent.
    "--cap-add=SYS_ADMIN",
    "--security-opt=seccomp=unconfined",
    "--cgroupns=private",
    "--network=host",
    "--tmpfs=/run",
    "--tmpfs=/run/lock",
    ...Object.entries(files).map(([from, to]) => `--volume=${from}:${to}:ro`),
    "--entrypoint=/bin/sh",
    image,
    "-c",
    startSystemd,
  );
  const state = async (): Promise<string> =>
    (await docker.attempt("exec", container, "systemctl", "is-system-running")).stdout.trim();
  await vi.waitFor(async () => expect(await state()).toMatch(/^(running|degraded)$/), waiting);

  const packs = ["core", "diskwatch"].map((pack) => `/usr/local/share/attune/packs/${pack}`);
  const load = ["--config", "/etc/attune/agent.yaml", "packs", "load", ...packs];
  await docker.run("exec", `--env-file=${variables}`, container, unit, ...load);
  await inside("systemctl", "start", unit);
}, 600_000);
afterAll(async () => scope.disposeAsync());

// The tests are consecutive steps.
test("under the unit's restrictions a sensor runs and its events are stored", async () => {
  await expect.poll(eventCount, waiting).toBeGreaterThan(0);

  const status = await inside("cat", `/proc/${await property("MainPID")}/status`);
  const valueOf = (key: string): string => new RegExp(`^${key}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? "";
  expect(Number(valueOf("Uid"))).toBeGreaterThan(60_000);
  expect(valueOf("CapBnd")).toMatch(/^0+$/);
  expect(valueOf("NoNewPrivs")).toBe("1");
  expect(valueOf("Seccomp")).toBe("2");
});

test("after a kill it is restarted and continues", async () => {
  await inside("systemctl", "kill", "--signal=KILL", "--kill-who=main", unit);

  await expect.poll(async () => property("NRestarts"), waiting).toBe("1");
  const before = await eventCount();
  await expect.poll(eventCount, waiting).toBeGreaterThan(before);
});

test("a stop ends it cleanly and leaves no process behind", async () => {
  await inside("systemctl", "stop", unit);

  expect(await property("Result")).toBe("success");
  expect(await property("ExecMainStatus")).toBe("0");
  expect(await query(fresh.database, "select status from worker")).toEqual([{ status: "inactive" }]);
  expect(await docker.run("top", container, "-eo", "pid,args")).not.toContain("attune");
});
