/** While an agent holds the embedded database, the commands of the same machine work through it. */
import { execFile } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { openAuthority } from "../support/certificates.ts";
import { demoPack, packFolder } from "../support/pack-folder.ts";

const patient = { timeout: 60_000, interval: 200 };

test("packs are loaded, sensors listed and rules disabled, and nothing is left after the stop", async () => {
  const files = {
    ...demoPack,
    "sensors/clock.yaml":
      "ref: clock\nentrypoint: clock.sh\nruntime: shell\nprotocol: stream\ntriggers: [tick]\n",
    "sensors/clock.sh": "echo it begins >&2; while :; do echo '{}'; sleep 0.2; done\n",
  };
  await using packs = await packFolder(
    Object.fromEntries(Object.entries(files).map(([file, text]) => [`demo/${file}`, text])),
  );
  const pack = join(packs.directory, "demo");
  await using folder = await agentFolder({
    databaseUrl: undefined,
    brokerUrl: undefined,
    packsDirectory: packs.directory,
    workerName: "embedded",
  });
  const agent = async (...args: readonly string[]): Promise<string> => {
    const command = [join(repositoryRoot, "src/main.ts"), "--config", folder.configPath, ...args];
    return (await promisify(execFile)(process.execPath, command)).stdout;
  };
  const access = join(folder.path, "data/agent.json");
  {
    await using running = await startAgent(folder);
    await ready(running, folder, 60_000);
    await expect.poll(() => stat(access).then(({ mode }) => mode & 0o777), patient).toBe(0o600);

    expect(await agent("packs", "load", pack)).toMatch(/created +rule demo\.noted[^]*the platform at http/);
    expect(await agent("packs", "load", pack)).toMatch(/0 created, 0 updated, 0 removed, \d+ unchanged/);
    expect(await agent("sensors", "list")).toContain("demo.clock");
    await expect.poll(() => agent("sensors", "logs", "demo.clock"), patient).toMatch(/^\S+ it begins$/m);
    expect(await agent("rules", "disable", "demo.noted")).toBe("rule demo.noted: disabled\n");
    expect(await agent("rules", "list", "--enabled", "no")).toContain("demo.noted");
    await agent("rules", "enable", "demo.noted");
    expect(JSON.parse(await agent("workers", "list", "--format", "json"))).toMatchObject([
      { name: "embedded" },
    ]);
    expect(await agent("events", "list")).toMatch(/none|EVENT/);

    // Doctor cannot open the database, so the agent examines it.
    const examined = await agent("doctor");
    expect(examined).toMatch(/^✓ database +embedded in .+ uses it and has examined it$/m);
    for (const subject of [
      "agent",
      "migrations",
      "worker embedded",
      "sensor demo.clock",
      "rules",
      "messages",
    ])
      expect(examined).toMatch(new RegExp(`^✓ ${subject} `, "m"));
    expect(examined).not.toContain("stop that process");
  }

  await expect
    .poll(
      () =>
        stat(access).then(
          () => "there",
          () => "gone",
        ),
      patient,
    )
    .toBe("gone");
  await expect(agent("sensors", "list")).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("no agent") as string,
  });
});

test("an agent that serves HTTPS with a certificate for another name is asked all the same, and no other", async () => {
  using authority = openAuthority("an authority that this machine does not know");
  const tls = authority.sign("agent.test");
  await using packs = await packFolder({});
  await using folder = await agentFolder({
    databaseUrl: undefined,
    brokerUrl: undefined,
    packsDirectory: packs.directory,
    workerName: "secure",
  });
  const environment = { ATTUNE__API__TLS__CERT: tls.cert, ATTUNE__API__TLS__KEY: tls.key };
  await using running = await startAgent(folder, { environment });
  const access = join(folder.path, "data/agent.json");
  await expect
    .poll(
      () =>
        stat(access).then(
          ({ size }) => size,
          () => 0,
        ),
      patient,
    )
    .toBeGreaterThan(0);
  const list = async (): Promise<string> => {
    const command = [join(repositoryRoot, "src/main.ts"), "--config", folder.configPath, "workers", "list"];
    return (await promisify(execFile)(process.execPath, command)).stdout;
  };

  expect(await list()).toContain("secure");

  const stored = JSON.parse(await readFile(access, "utf8")) as { readonly certificate: string };
  await writeFile(access, JSON.stringify({ ...stored, certificate: authority.sign("other.test").cert }));
  await expect(list()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining("API_UNREACHABLE") as string,
  });
  await running.assertRunning();
});
