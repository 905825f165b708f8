/** Folders that the kernel really refuses, each in its own namespaces. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { agentFolder, startAgent } from "../../support/agent-process.ts";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "attune-folders-"));
  mkdirSync(join(folder, "volume"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
const ownMounts = [...asRoot, "--mount"];
/** A user with no rights beyond the files' permissions. */
const noRights = ["--user"];

const full = "mount -t tmpfs -o size=64k none volume; head -c 70000 /dev/zero >volume/filler 2>&-";
const readOnly = "mount -t tmpfs -o ro none volume";

function doctorAfter(preparation: string, namespaces: readonly string[], settings: object) {
  const { status, stdout, stderr } = spawnSync(
    "/usr/bin/unshare",
    [
      ...namespaces,
      "sh",
      "-c",
      `${preparation}; exec "$@"`,
      "sh",
      process.execPath,
      join(repositoryRoot, "src/main.ts"),
      "doctor",
    ],
    {
      cwd: folder,
      env: { PATH: process.env["PATH"], ATTUNE__API__ENABLED: "false", ...settings },
      encoding: "utf8",
      timeout: 25_000,
    },
  );
  return { exitCode: status, report: `${stdout}${stderr}` };
}

test("a full volume is wrong, for the database and for the logs", () => {
  const { exitCode, report } = doctorAfter(full, ownMounts, {
    ATTUNE__DATA_DIR: "volume",
    ATTUNE__LOGS_DIR: "volume/logs",
  });

  expect(report).toMatch(
    /^✗ data +\/.*\/volume is not writable: no space is left on that volume \(ENOSPC\)\n +→ free space there, or set data_dir to another folder; the agent cannot start without it$/m,
  );
  expect(report).toMatch(
    /^✗ logs +\/.*\/volume\/logs cannot be created in \/.*\/volume: no space .*\n +→ free space there, or set logs_dir .*; sensors keep running, but their logs are lost$/m,
  );
  expect(exitCode).toBe(1);
});

test("a read-only volume is wrong, also for root", () => {
  const { exitCode, report } = doctorAfter(readOnly, ownMounts, { ATTUNE__DATA_DIR: "volume/a/b" });

  expect(report).toMatch(
    /^✗ data +\/.*\/volume\/a\/b cannot be created in \/.*\/volume: that volume is read-only \(EROFS\)\n +→ remount it read-write/m,
  );
  expect(exitCode).toBe(1);
});

test("a folder of another user, a file in its place and a dangling link are wrong", () => {
  chmodSync(join(folder, "volume"), 0o555);
  const denied = doctorAfter("true", noRights, { ATTUNE__LOGS_DIR: "volume" });
  expect(denied.report).toMatch(/^✗ logs +\/.*: permission is denied \(EACCES\)\n +→ give the agent's user/m);

  writeFileSync(join(folder, "file"), "");
  symlinkSync("nowhere", join(folder, "link"));
  const odd = doctorAfter("true", [], { ATTUNE__DATA_DIR: "file", ATTUNE__LOGS_DIR: "link" });
  expect(odd.report).toMatch(
    /^✗ data +\/.*\/file is not writable: it, or part of its path, is a file \(ENOTDIR\)$/m,
  );
  expect(odd.report).toMatch(/^✗ logs +\/.*\/link is not writable: it is a dangling link \(ENOENT\)$/m);
  expect(odd.exitCode).toBe(1);
});

test("an archive that cannot be written is wrong, and one that can is left unchanged", () => {
  const denied = doctorAfter("true", [], { ATTUNE__RETENTION__ARCHIVE_DIR: "/proc/nope" });
  expect(denied.report).toMatch(
    /^✗ archive +\/proc\/nope cannot be created in \/proc: that file system takes no new files \(ENOENT\)\n +→ mount a volume there, or set retention\.archive_dir to another folder; until an agent can write there, retired partitions are not dropped$/m,
  );
  expect(denied.exitCode).toBe(1);

  const fine = doctorAfter("true", [], { ATTUNE__RETENTION__ARCHIVE_DIR: "volume/archive" });
  expect(fine.report).toMatch(
    /^✓ archive +old events and enforcements are written to \/.*\/volume\/archive$/m,
  );
  expect(readdirSync(folder, { recursive: true })).toEqual(["volume"]);
});

test("an agent that starts says that it cannot write its archive, and runs", async () => {
  await using agents = await agentFolder({
    databaseUrl: undefined,
    brokerUrl: undefined,
    packsDirectory: folder,
    workerName: "sensor-archive",
  });
  await using agent = await startAgent(agents, {
    environment: { ATTUNE__RETENTION__ARCHIVE_DIR: "/proc/nope" },
  });

  await expect
    .poll(() => readFile(agents.logPath, "utf8"), { timeout: 60_000, interval: 50 })
    .toMatch(
      /"level":"warn".*\/proc\/nope cannot be created in \/proc: .* \(ENOENT\): mount a volume there, or set retention\.archive_dir; until an agent can write there, retired partitions are not dropped/,
    );
  await agent.assertRunning();
});

test("a folder without the executables that the agent is to hand out is wrong", () => {
  const settings = {
    ATTUNE__AGENT__BINARY_DIR: "volume",
    ATTUNE__AGENT__BINARY_TOKEN: randomBytes(32).toString("hex"),
  };
  const empty = doctorAfter("true", [], settings);
  expect(empty.report).toMatch(
    /^✗ downloads +no executable of the agent is in \/.*\/volume\n +→ put attune-sensor-agent there, .* or correct agent\.binary_dir$/m,
  );
  expect(empty.exitCode).toBe(1);
  writeFileSync(join(folder, "volume/attune-sensor-agent-aarch64"), "");

  const filled = doctorAfter("true", [], settings);
  expect(filled.report).toMatch(/^✓ downloads +executables for aarch64 are in \/.*\/volume$/m);
});

test("beside a server, a data folder that cannot be written is worth a notice", () => {
  const { report } = doctorAfter("true", [], {
    ATTUNE__DATA_DIR: "/proc/nope",
    DATABASE_URL: "postgresql://127.0.0.1:1/attune",
  });

  expect(report).toMatch(
    /^- data +\/proc\/nope cannot be created in \/proc: .*\n +→ mount a volume there, or set data_dir to another folder; sensors forget/m,
  );
});

test("a writable folder is left unchanged, and an unused one is not checked", () => {
  const fine = doctorAfter("true", [], { ATTUNE__DATA_DIR: "volume", ATTUNE__LOGS_DIR: "logs/deep" });
  expect(fine.report).toMatch(/^✓ data +the embedded database is in \/.*\/volume$/m);
  expect(fine.report).toMatch(/^✓ logs +are written to \/.*\/logs\/deep$/m);
  expect(readdirSync(folder, { recursive: true })).toEqual(["volume"]);

  const unused = doctorAfter(readOnly, ownMounts, {
    ATTUNE__API__ENABLED: "false",
    ATTUNE__DATA_DIR: "volume",
    ATTUNE__LOGS_DIR: "volume",
    ATTUNE__SENSOR__ENABLED: "false",
    DATABASE_URL: "postgresql://127.0.0.1:1/attune",
  });
  expect(unused.report).not.toMatch(/^. (data|logs) /m);
});
