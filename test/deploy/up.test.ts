/** docker/up in a copy of the folder, with a `docker` that only tells how it was called. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { programDirectory } from "../support/program-directory.ts";
import { dockerDirectory } from "./deployment-files.ts";

test("the first start makes up passwords that nobody else can read, and a later one keeps them", () => {
  const up = copyOfUp();

  expect(up.run("--detach")).toMatchObject({ status: 0, stdout: "docker compose up --build --detach\n" });
  const first = up.environment();
  up.run();

  expect(first).toMatch(/^POSTGRES_PASSWORD=[0-9a-f]{48}$/m);
  expect(first).toMatch(/^RABBITMQ_PASSWORD=[0-9a-f]{48}$/m);
  expect(new Set(first.match(/[0-9a-f]{48}/g)).size).toBe(2);
  expect(up.mode()).toBe(0o600);
  expect(up.environment()).toBe(first);
});

test("without the plug-in, the older program is called", () => {
  const up = copyOfUp();
  up.programs.script("docker", "exit 1");
  up.programs.script("docker-compose", 'echo "docker-compose $*"');

  expect(up.run()).toMatchObject({ status: 0, stdout: "docker-compose up --build\n" });
});

function copyOfUp() {
  const directory = mkdtempSync(join(tmpdir(), "attune-up-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const file of ["up", ".env.example"]) cpSync(join(dockerDirectory, file), join(directory, file));
  const programs = programDirectory();
  programs.script("docker", '[ "$2" = version ] || echo "docker $*"');
  const file = join(directory, ".env");
  return {
    programs,
    run: (...args: readonly string[]) =>
      spawnSync(join(directory, "up"), args, {
        env: { PATH: `${programs.path}:/usr/bin:/bin` },
        encoding: "utf8",
      }),
    environment: () => readFileSync(file, "utf8"),
    mode: () => statSync(file).mode & 0o777,
  };
}
