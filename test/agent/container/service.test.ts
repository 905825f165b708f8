/**
 * The service in images of each C library, and of none, confined as a strict cluster does it: it starts, is a
 * worker that others see, and stops. Its database is on the PostgreSQL of this test run.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { freshDatabase } from "../../support/postgres.ts";
import { type Docker, openDocker } from "./docker.ts";
import { type ImageName, provideImage } from "./images.ts";

const executable = join(repositoryRoot, "dist/attune-sensor-agent");
const strict = "--user 65534 --read-only --cap-drop ALL --security-opt no-new-privileges".split(" ");
const workerName = "in-a-container";
const waiting = { timeout: 60_000, interval: 50 };

let docker: Docker;
beforeAll(async () => {
  if (!existsSync(executable)) throw new Error(`${executable} is not there; make it with: npm run build`);
  docker = await openDocker();
});
afterAll(async () => docker[Symbol.asyncDispose]());

test.each<ImageName>(["empty", "musl", "glibc"])("in the image %s", async (image) => {
  await using database = await freshDatabase();
  const client = await database.connect();
  const statusOfWorker = async (): Promise<string | undefined> => {
    const { rows } = await client.query<{ status: string }>("select status from worker where name = $1", [
      workerName,
    ]);
    return rows[0]?.status;
  };

  await using container = await startService(await provideImage(docker, image), database.url);
  await expect.poll(statusOfWorker, waiting).toBe("active");
  const exitCode = await container.stop();

  expect({ exitCode, log: exitCode === 0 ? "" : await container.log() }).toEqual({ exitCode: 0, log: "" });
  expect(await statusOfWorker()).toBe("inactive");
});

async function startService(tag: string, databaseUrl: string) {
  const id = await docker.run(
    "run",
    "--detach",
    // Of the private engine only this reaches the database.
    "--network=host",
    ...strict,
    "--env",
    `ATTUNE__DATABASE__URL=${databaseUrl}`,
    "--env=ATTUNE__API__PORT=0",
    `--volume=${executable}:/agent:ro`,
    "--entrypoint=/agent",
    tag,
    "--name",
    workerName,
  );
  const container = id.trim();
  return {
    /** As an engine does: SIGTERM, and SIGKILL after a time. Returns the exit code. */
    stop: async () => {
      await docker.run("stop", "--time=30", container);
      return Number(await docker.run("inspect", "--format={{.State.ExitCode}}", container));
    },
    log: async () => {
      const { stdout, stderr } = await docker.attempt("logs", container);
      return stdout + stderr;
    },
    [Symbol.asyncDispose]: async () => void (await docker.run("rm", "--force", container)),
  };
}
