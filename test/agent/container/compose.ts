/** One stack of docker/docker-compose.yaml under a name of its own. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { type Docker, runCommand } from "./docker.ts";
import { provideStandIns } from "./stand-ins.ts";

const directory = join(repositoryRoot, "docker");
const passwords = { POSTGRES_PASSWORD: "forTestsOnly", RABBITMQ_PASSWORD: "forTestsOnlyToo" };

export interface ComposeStack extends AsyncDisposable {
  readonly databaseUrl: string;
  readonly brokerUrl: string;
  /** Its container's id. The engine is asked: Compose's own names differ between its versions. */
  containerOf(service: string): Promise<string>;
  stop(): Promise<void>;
}

/** Builds the agent's image from dist/ and brings the stack up; resolves when `up` does. */
export async function startStack(docker: Docker): Promise<ComposeStack> {
  const project = `attune-test-${process.pid}`;
  const environment = {
    ...process.env,
    ...passwords,
    DOCKER_HOST: docker.host,
    COMPOSE_PROJECT_NAME: project,
  };
  const compose = async (...args: readonly string[]): Promise<string> => {
    const [file, ...words] = await composeCommand();
    return runCommand(
      file,
      [...words, "--file", join(directory, "docker-compose.yaml"), ...args],
      environment,
    );
  };
  const containerOf = async (service: string): Promise<string> => {
    const labels = [`project=${project}`, `service=${service}`];
    const filters = labels.map((label) => `--filter=label=com.docker.compose.${label}`);
    return (await docker.run("ps", "--all", "--quiet", "--no-trunc", ...filters)).trim();
  };
  const addressOf = async (service: string): Promise<string> =>
    (
      await docker.run(
        "inspect",
        "--format={{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}",
        await containerOf(service),
      )
    ).trim();

  await provideStandIns(docker);
  await buildAgentImage(docker);
  await compose("up", "--detach", "--no-build", "--quiet-pull");
  return {
    databaseUrl: `postgresql://attune:${passwords.POSTGRES_PASSWORD}@${await addressOf("postgres")}:5432/attune`,
    brokerUrl: `amqp://attune:${passwords.RABBITMQ_PASSWORD}@${await addressOf("rabbitmq")}:5672`,
    containerOf,
    stop: async () => void (await compose("stop")),
    [Symbol.asyncDispose]: async () => void (await compose("down", "--volumes")),
  };
}

/** With what a clone has, the file is valid: nothing but the passwords is asked for. */
export async function readConfiguration(
  file: string,
  variables: Readonly<Record<string, string>>,
): Promise<string> {
  const [command, ...args] = [...(await composeCommand()), "--file", join(directory, file), "config"];
  return runCommand(command, args, { ...process.env, ...passwords, ...variables });
}

async function buildAgentImage(docker: Docker): Promise<void> {
  await docker.run(
    "build",
    "--quiet",
    "--network=none",
    "--file",
    join(directory, "Dockerfile.agent"),
    "--target=agent-init",
    "--build-arg=SOURCE=prebuilt",
    "--tag=attune/sensor-agent-init:0.1.0",
    repositoryRoot,
  );
}

/** The plug-in, or the program that it succeeds. */
async function composeCommand(): Promise<readonly [string, ...string[]]> {
  const found = await runCommand("docker", ["compose", "version"]).then(
    () => true,
    () => false,
  );
  if (found) return ["docker", "compose"];
  if (existsSync("/usr/bin/docker-compose")) return ["docker-compose"];
  throw new Error("neither `docker compose` nor docker-compose is here; run: apt-get install docker-compose");
}
