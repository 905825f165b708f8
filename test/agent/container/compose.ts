/** One stack of docker/docker-compose.yaml under a name of its own, started by docker/up in a copy of what that needs. */
import { randomBytes } from "node:crypto";
import { cp, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { layerFiles } from "../../../build/packing/layer.ts";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { findComposeCommand } from "../../../scripts/services/docker-client.ts";
import { type Docker, runCommand } from "./docker.ts";
import { provideStandIns } from "./stand-ins.ts";

const executableFiles = layerFiles("attune-sensor-agent").map((name) => join("dist", name));

/** The end of a container, as reported by the engine. */
export interface Ending {
  readonly service: string;
  readonly exitCode: string;
  /** The numbers of those that the engine sent; it sends 9 when the grace period is over. */
  readonly signals: readonly string[];
}

export interface ComposeStack extends AsyncDisposable {
  /** Where its servers are at present, with the passwords of docker/.env. */
  databaseUrl(): Promise<string>;
  brokerUrl(): Promise<string>;
  /** Gives docker/.env other passwords and calls docker/up once more. */
  changePasswords(): Promise<void>;
  /** Its container's id. The engine is asked: Compose's own names differ between its versions. */
  containerOf(service: string): Promise<string>;
  /** Brings docker-compose.agent.yaml up in the same project, as it is beside the stack's docker/.env. */
  upBeside(): Promise<void>;
  /** Takes its containers away. */
  removeBeside(): Promise<void>;
  /** The ids of the project's containers, whatever their state. */
  containers(): Promise<readonly string[]>;
  /** Takes the stack down and returns the containers that ended, in the order of their ends. */
  down(): Promise<readonly Ending[]>;
}

/** Calls docker/up, which makes the passwords and the agent's image, this from dist/; resolves when that does. */
export async function startStack(docker: Docker): Promise<ComposeStack> {
  await using scope = new AsyncDisposableStack();
  const copy = scope.use(await copyOfRepository());
  const project = `attune-test-${process.pid}`;
  const environment = {
    ...docker.environment,
    DOCKER_HOST: docker.host,
    COMPOSE_PROJECT_NAME: project,
    ATTUNE_AGENT_SOURCE: "prebuilt",
  };
  const [command, ...words] = composeCommand(docker);
  const composeOf =
    (file: string, variables: Readonly<Record<string, string>> = {}) =>
    async (...args: readonly string[]): Promise<void> => {
      const path = join(copy.path, "docker", file);
      await runCommand(command, [...words, "--file", path, ...args], { ...environment, ...variables });
    };
  const compose = composeOf("docker-compose.yaml");
  const ofProject = `--filter=label=com.docker.compose.project=${project}`;
  const containers = async (...filters: readonly string[]): Promise<readonly string[]> =>
    linesOf(await docker.run("ps", "--all", "--quiet", "--no-trunc", ofProject, ...filters));
  const containerOf = async (service: string): Promise<string> => {
    const [container, ...others] = await containers(`--filter=label=com.docker.compose.service=${service}`);
    if (container === undefined || others.length > 0) throw new Error(`not one container of ${service}`);
    return container;
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
  scope.defer(async () => compose("down", "--volumes", "--remove-orphans"));
  const up = async (): Promise<void> =>
    void (await runCommand(join(copy.path, "docker/up"), ["--detach"], environment));
  await up();
  const settingsFile = join(copy.path, "docker/.env");
  const settings = async () => parseEnv(await readFile(settingsFile, "utf8"));
  const databaseAt = async (host: string): Promise<string> =>
    `postgresql://attune:${(await settings())["POSTGRES_PASSWORD"]}@${host}:5432/attune`;
  const brokerAt = async (host: string): Promise<string> =>
    `amqp://attune:${(await settings())["RABBITMQ_PASSWORD"]}@${host}:5672`;
  const composeBeside = composeOf("docker-compose.agent.yaml", {
    DATABASE_URL: await databaseAt("postgres"),
    BROKER_URL: await brokerAt("rabbitmq"),
  });
  const owned = scope.move();
  return {
    databaseUrl: async () => databaseAt(await addressOf("postgres")),
    brokerUrl: async () => brokerAt(await addressOf("rabbitmq")),
    changePasswords: async () => {
      const before = await readFile(settingsFile, "utf8");
      const changed = before.replaceAll(/(?<=_PASSWORD=).+/g, () => randomBytes(12).toString("hex"));
      await writeFile(settingsFile, changed);
      await up();
    },
    containerOf,
    containers,
    upBeside: async () => composeBeside("up", "--detach"),
    removeBeside: async () => composeBeside("rm", "--stop", "--force"),
    down: async () => {
      const sinceMs = Date.now();
      await compose("down");
      return endings(await eventsSince(docker, sinceMs, ofProject));
    },
    [Symbol.asyncDispose]: async () => owned.disposeAsync(),
  };
}

/** The signals and ends of containers since then: what, which service, and the signal's number or the exit code. */
async function eventsSince(docker: Docker, sinceMs: number, filter: string): Promise<readonly string[]> {
  const attribute = (name: string): string => `{{index .Actor.Attributes "${name}"}}`;
  const format = `{{.Action}} ${attribute("com.docker.compose.service")} ${attribute("signal")}${attribute("exitCode")}`;
  const period = [`--since=${sinceMs / 1_000}`, `--until=${Date.now() / 1_000}`];
  const kinds = ["--filter=type=container", "--filter=event=kill", "--filter=event=die"];
  return linesOf(await docker.run("events", ...period, ...kinds, filter, `--format=${format}`));
}

function endings(events: readonly string[]): readonly Ending[] {
  const signals = new Map<string, string[]>();
  const ended: Ending[] = [];
  for (const event of events) {
    const [action, service = "", number = ""] = event.split(" ");
    const sent = signals.getOrInsert(service, []);
    if (action === "kill") sent.push(number);
    else ended.push({ service, exitCode: number, signals: sent });
  }
  return ended;
}

function linesOf(text: string): readonly string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** What docker/up needs, so that it finds no docker/.env of a developer's, and leaves none. */
async function copyOfRepository(): Promise<AsyncDisposable & { readonly path: string }> {
  const copy = await mkdtempDisposable(join(tmpdir(), "attune-compose-"));
  for (const path of [".dockerignore", "packs", "docker", ...executableFiles]) {
    await cp(join(repositoryRoot, path), join(copy.path, path), {
      recursive: true,
      filter: (source) => !source.endsWith("/.env"),
    });
  }
  return { path: copy.path, [Symbol.asyncDispose]: async () => copy.remove() };
}

function composeCommand({ environment }: Docker): readonly [string, ...string[]] {
  const command = findComposeCommand(environment);
  if (command === undefined) throw new Error("Docker Compose is gone, although it was there with the engine");
  return command;
}
