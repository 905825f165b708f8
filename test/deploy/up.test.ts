/** docker/up in a copy of the folder, with a `docker` that only notes how it was called. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { programDirectory } from "../support/program-directory.ts";
import { dockerDirectory } from "./deployment-files.ts";

test("the first start generates passwords that no other user can read, and a later one keeps them", () => {
  const up = copyOfUp();

  expect(up.run("--detach")).toMatchObject({ status: 0 });
  const first = up.environment();
  up.run();

  expect(first).toMatch(/^POSTGRES_PASSWORD=[0-9a-f]{48}$/m);
  expect(first).toMatch(/^RABBITMQ_PASSWORD=[0-9a-f]{48}$/m);
  expect(new Set(first.match(/[0-9a-f]{48}/g)).size).toBe(2);
  expect(up.mode()).toBe(0o600);
  expect(up.environment()).toBe(first);
});

test("both servers get the passwords before anything else starts", () => {
  const up = copyOfUp();

  expect(up.run("--detach")).toMatchObject({ status: 0, stdout: "" });

  expect(up.calls()).toEqual([
    "docker compose up --detach postgres rabbitmq",
    "docker compose exec -T postgres",
    "docker compose exec -T rabbitmq",
    "docker compose up --build --detach",
  ]);
});

test("a server that rejects its password ends the start, with its message and a remedy", () => {
  const up = copyOfUp();
  up.programs.script("sleep", "");
  up.docker("docker", `[ "$2" != exec ] || { echo 'role "attune" does not exist'; exit 1; }`);

  const { status, stderr } = up.run();

  expect(status).toBe(1);
  expect(stderr).toContain(
    'could not give postgres the password that docker/.env has: role "attune" does not',
  );
  expect(stderr).toContain("docker compose logs postgres says why");
  expect(up.calls()).not.toContain("docker compose up --build");
});

test("without the plug-in, the older program is called", () => {
  const up = copyOfUp();
  up.programs.script("docker", "exit 1");
  up.docker("docker-compose", "");

  expect(up.run()).toMatchObject({ status: 0 });

  expect(up.calls()).toEqual([
    "docker-compose up --detach postgres rabbitmq",
    "docker-compose exec -T postgres",
    "docker-compose exec -T rabbitmq",
    "docker-compose up --build",
  ]);
});

function copyOfUp() {
  const directory = mkdtempSync(join(tmpdir(), "attune-up-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const file of ["up", ".env.example"]) cpSync(join(dockerDirectory, file), join(directory, file));
  const programs = programDirectory();
  const log = join(directory, "calls");
  /** Notes its calls, without what they run inside containers, and then does this. */
  const docker = (name: string, body: string): void => {
    const note = `call="${name} $*"; echo "\${call%% sh -c *}" >> ${log}`;
    programs.script(name, `[ "$2" = version ] && exit; ${note}\n${body}`);
  };
  docker("docker", "");
  const file = join(directory, ".env");
  return {
    programs,
    docker,
    run: (...args: readonly string[]) =>
      spawnSync(join(directory, "up"), args, {
        env: { PATH: `${programs.path}:/usr/bin:/bin` },
        encoding: "utf8",
      }),
    calls: () => readFileSync(log, "utf8").trimEnd().split("\n"),
    environment: () => readFileSync(file, "utf8"),
    mode: () => statSync(file).mode & 0o777,
  };
}
