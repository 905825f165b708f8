/** The guarantees of the compose files, for every service in them. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { dockerCompose } from "../../scripts/services/docker.ts";
import { findComposeCommand, findDockerClient } from "../../scripts/services/docker-client.ts";
import { loadConfig, type LoadedConfig } from "../../src/config/load-config.ts";
import {
  composeFiles,
  composeSeconds,
  composeServices,
  type ComposeService,
  deploymentFiles,
  dockerDirectory,
  readText,
  secondsAfterSensors,
  sensorServices,
} from "./deployment-files.ts";

const secrets = {
  "docker-compose.yaml": { POSTGRES_PASSWORD: "p0", RABBITMQ_PASSWORD: "r0" },
  "docker-compose.agent.yaml": {
    DATABASE_URL: "postgresql://attune:p0@db/attune",
    BROKER_URL: "amqp://attune:r0@mq",
  },
};

/** The service that fills the volume. */
const initAgent = {
  "docker-compose.yaml": "init-agent",
  "docker-compose.agent.yaml": "own-init-agent",
};

const containment = {
  read_only: true,
  cap_drop: ["ALL"],
  security_opt: ["no-new-privileges:true"],
};

describe.each(composeFiles)("%s", (file) => {
  const everything = Object.entries(composeServices(file));
  const sensors = sensorServices(file);

  test("every container that runs the executable is confined: no root, read-only, no capabilities", () => {
    const agents = everything.filter(([, { entrypoint, image }]) =>
      [...(entrypoint ?? []), image].some((text) => text.includes("sensor-agent")),
    );

    expect(agents.length).toBeGreaterThan(1);
    for (const [name, service] of agents) {
      expect(service, name).toMatchObject({ ...containment, user: "65534:65534" });
    }
  });

  test("no container can gain privileges or has a port open to other machines", () => {
    for (const [name, service] of everything) {
      expect(service, name).toMatchObject({ cap_drop: ["ALL"], security_opt: ["no-new-privileges:true"] });
      expect(service, name).toHaveProperty("user", expect.not.stringMatching(/^(root|0)\b/));
      expect(service, name).not.toHaveProperty("privileged");
      expect(service, name).not.toHaveProperty("ports");
    }
  });

  test("a sensor's container waits for the executable, and has it read-only, beside a /tmp in memory", () => {
    for (const [name, service] of sensors) {
      expect(service.depends_on, name).toMatchObject({
        [initAgent[file]]: { condition: "service_completed_successfully" },
      });
      expect(service.volumes, name).toContain("agent_bin:/opt/attune/agent:ro");
      expect(service, name).toMatchObject({ tmpfs: [expect.stringMatching(/^\/tmp/)] });
    }
  });

  test(`${initAgent[file]} mounts every named volume at the sensors' place, and so gives it to their user`, () => {
    const named = (service: ComposeService | undefined): readonly string[] =>
      (service?.volumes ?? [])
        .filter((volume) => /^\w+:/.test(volume))
        .map((volume) => volume.replace(/:ro$/, ""));
    const given = named(composeServices(file)[initAgent[file]]);

    for (const [name, service] of sensors) expect(given, name).toEqual(named(service));
    for (const volume of given) {
      const folder = volume.split("/").at(-1) ?? "";
      expect(existsSync(`${dockerDirectory}/volumes/${folder}`), volume).toBe(true);
    }
  });

  test("each sensor service has its own worker name", () => {
    const names = sensors.map(([, { command }]) => command?.[1]);

    expect(sensors.every(([, { command }]) => command?.[0] === "--name")).toBe(true);
    expect(new Set(names).size).toBe(sensors.length);
  });

  test("health is asked without a shell, within the time the engine gives", () => {
    const checks = everything.flatMap(([name, { healthcheck }]) =>
      healthcheck ? [{ name, ...healthcheck }] : [],
    );

    expect(checks.length).toBeGreaterThanOrEqual(sensors.length);
    for (const {
      name,
      test: [kind, program],
    } of checks) {
      expect(kind, name).toBe("CMD");
      expect(program, name).not.toMatch(/(^|\/)(ba|da)?sh$/);
    }
    for (const [name, { healthcheck }] of sensors) {
      expect(healthcheck?.test.slice(1), name).toEqual([
        "/opt/attune/agent/attune-sensor-agent",
        "doctor",
        "--probe",
        "ready",
      ]);
      // The probe itself gives up after 5 s, and says then why.
      expect(composeSeconds(healthcheck?.timeout ?? ""), name).toBeGreaterThan(5);
    }
  });

  test("the agent accepts file and environment as they stand, and the engine's patience outlasts its own", () => {
    for (const [name, service] of sensors) {
      const { config, warnings } = configurationOf(service, secrets[file]);

      expect(warnings, name).toEqual([]);
      expect(config, name).toMatchObject({
        packs_base_dir: "/opt/attune/packs",
        runtime_envs_dir: "/opt/attune/runtime_envs",
        artifacts_dir: "/opt/attune/artifacts",
        logs_dir: "/opt/attune/logs",
      });
      expect(config.database.url, name).toMatch(/^postgresql:\/\/attune:p0@/);
      expect(config.message_queue.url, name).toMatch(/^amqp:\/\/attune:r0@/);
      expect(composeSeconds(service.stop_grace_period ?? ""), name).toBeGreaterThan(
        config.sensor.shutdown_timeout + secondsAfterSensors,
      );
    }
  });

  test("a sensor has the environment that every program of the platform reads", () => {
    for (const [name, { environment }] of sensors) {
      expect(Object.keys(environment ?? {}), name).toEqual(
        expect.arrayContaining([
          "ATTUNE_CONFIG",
          "ATTUNE__DATABASE__URL",
          "ATTUNE__MESSAGE_QUEUE__URL",
          "ATTUNE_API_URL",
          "ATTUNE_MQ_URL",
          "ATTUNE_PACKS_BASE_DIR",
        ]),
      );
    }
  });
});

test("the stack applies migrations, loads packs, and only then starts sensors", () => {
  const services = composeServices("docker-compose.yaml");

  expect(services["migrations"]).toMatchObject({
    entrypoint: ["/attune-sensor-agent"],
    command: ["migrate"],
    depends_on: { postgres: { condition: "service_healthy" } },
  });
  expect(services["packs"]?.depends_on).toEqual({
    migrations: { condition: "service_completed_successfully" },
  });
  for (const [name, { depends_on: needs }] of sensorServices("docker-compose.yaml")) {
    expect(needs, name).toMatchObject({
      packs: { condition: "service_completed_successfully" },
      postgres: { condition: "service_healthy" },
      rabbitmq: { condition: "service_healthy" },
    });
  }
});

test("the stack loads sensors of every protocol, and packs that are there", () => {
  const loaded = (composeServices("docker-compose.yaml")["packs"]?.command ?? []).slice(2);
  const folders = loaded.map((path) => path.replace("/opt/attune/packs", join(repositoryRoot, "packs")));
  const protocols = folders.flatMap((folder) => {
    const sensors = join(folder, "sensors");
    const files = existsSync(sensors) ? readdirSync(sensors).filter((name) => name.endsWith(".yaml")) : [];
    return files.map((name) => /^protocol: (\w+)$/m.exec(readFileSync(join(sensors, name), "utf8"))?.[1]);
  });

  expect(folders.filter((folder) => !existsSync(join(folder, "pack.yaml")))).toEqual([]);
  expect(protocols).toEqual(expect.arrayContaining(["poll", "stream", "standalone"]));
});

test("in one project, the two files leave each other's containers alone", () => {
  const [stack, own] = composeFiles.map((file) => Object.keys(composeServices(file)));

  expect(own).not.toEqual([]);
  for (const service of own ?? []) expect(stack).not.toContain(service);
});

test("no file for deployment holds a secret", () => {
  for (const file of deploymentFiles()) {
    const passwords = [...readText(file).matchAll(/:\/\/[^\s:/@"'`]+:([^\s@"'`]+)@/g)].map(
      ([, password]) => password,
    );

    for (const password of passwords) expect(password, file).toMatch(/^(\$\{\w+:\?|password$|…$)/);
  }
  expect(readText(".env.example")).toMatch(/^POSTGRES_PASSWORD=$/m);
  expect(readText(".env.example")).toMatch(/^RABBITMQ_PASSWORD=$/m);
});

describe("as Compose reads them", () => {
  beforeAll(async () => {
    await requireInstalled(dockerCompose);
  });

  test.each(composeFiles)("%s is valid", (file) => {
    const { status, stderr } = composeConfig(file, secrets[file]);

    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test.each(
    composeFiles.flatMap((file) => Object.keys(secrets[file]).map((missing) => [file, missing] as const)),
  )("%s does not start without %s, and says what to do", (file, missing) => {
    const { status, stderr } = composeConfig(file, { ...secrets[file], [missing]: "" });

    expect(status).not.toBe(0);
    expect(stderr).toContain("is missing");
  });
});

function configurationOf(
  { environment = {} }: ComposeService,
  given: Readonly<Record<string, string>>,
): LoadedConfig {
  const env = Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replaceAll(/\$\{(\w+):\?[^}]*\}/g, (_, variable: string) => given[variable] ?? ""),
    ]),
  );
  return loadConfig({
    flags: {},
    env,
    cwd: "/",
    hostname: "host",
    readFile: (path) => readFileSync(path.replace("/opt/attune/config", `${dockerDirectory}/config`), "utf8"),
  });
}

function composeConfig(
  file: string,
  variables: Readonly<Record<string, string>>,
): { readonly status: number | null; readonly stderr: string } {
  const environment = findDockerClient()?.environment ?? process.env;
  const [program = "docker-compose", ...args] = findComposeCommand(environment) ?? [];
  const { status, stderr } = spawnSync(program, [...args, "-f", file, "config", "--quiet"], {
    cwd: dockerDirectory,
    // A developer's own docker/.env must neither be used nor shown.
    env: { PATH: environment["PATH"], HOME: process.env["HOME"], ...variables },
    encoding: "utf8",
  });
  return { status, stderr };
}
