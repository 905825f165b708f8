/** The guarantees of the Kubernetes manifests, and the validity of the pack in them. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../../src/config/load-config.ts";
import { readPack } from "../../src/packs/read-pack.ts";
import { findScript } from "../../src/sensors/launch/script-path.ts";
import { dockerDirectory, readYaml, secondsAfterSensors } from "./deployment-files.ts";
import {
  configMap,
  type Container,
  decodeManifest,
  kubernetesFiles,
  manifests,
  type Pod,
  pods,
} from "./kubernetes-manifests.ts";

const deployments = ["kubernetes/sensor.yaml", "kubernetes/sensor-image-volume.yaml"] as const;

const settings = parse(configMap("kubernetes/settings.yaml", "attune-agent")["agent.yaml"] ?? "") as unknown;

describe.each(kubernetesFiles)("%s", (file) => {
  test("is YAML of objects without a field that Kubernetes does not know", () => {
    expect(manifests(file).length).toBeGreaterThan(0);
  });

  test("would be refused with any of its fields misspelt", () => {
    for (const document of readYaml(file)) {
      for (const misspelt of misspellings(document)) expect(() => decodeManifest(misspelt)).toThrow();
    }
  });

  test("every pod meets the restricted pod security standard, and every container has a read-only root", () => {
    for (const pod of pods(file)) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, runAsUser: 65534, seccompProfile: { type: "RuntimeDefault" } },
      });
      for (const container of containersOf(pod)) {
        expect(container, container.name).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
          resources: { requests: { memory: expect.any(String) }, limits: { memory: expect.any(String) } },
        });
      }
    }
  });

  test("no volume is kept in memory, where each pod would pay for the executable", () => {
    for (const { volumes } of pods(file)) {
      for (const { emptyDir } of volumes) expect(emptyDir?.medium).toBeUndefined();
    }
  });
});

describe.each(deployments)("the workers of %s", (file) => {
  const [pod] = pods(file);
  const [sensor] = pod?.containers ?? [];

  test("are started from the volume, each under its pod's name", () => {
    expect(sensor).toMatchObject({
      command: ["/opt/attune/agent/attune-sensor-agent"],
      args: ["--name", "$(POD_NAME)"],
      volumeMounts: expect.arrayContaining([
        { name: "agent", mountPath: "/opt/attune/agent", readOnly: true },
      ]),
    });
  });

  test("get the environment that every program of the platform reads", () => {
    expect(sensor?.env?.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        "ATTUNE_CONFIG",
        "ATTUNE__DATABASE__URL",
        "ATTUNE__MESSAGE_QUEUE__URL",
        "ATTUNE_API_URL",
        "ATTUNE_MQ_URL",
        "ATTUNE_PACKS_BASE_DIR",
      ]),
    );
    for (const { name, value } of sensor?.env ?? [])
      if (name.endsWith("_URL") && name !== "ATTUNE_API_URL") expect(value, name).toBeUndefined();
  });

  test("are probed over HTTP where the settings open a port for that, which the API does not share", () => {
    const { metrics } = settings as { metrics: { host: string; port: number } };
    const probes = {
      "/health/live": [sensor?.startupProbe, sensor?.livenessProbe],
      "/health/ready": [sensor?.readinessProbe],
    };

    expect(metrics.host).toBe("0.0.0.0");
    expect(settings).not.toHaveProperty("api");
    expect(sensor?.ports).toEqual([{ name: "metrics", containerPort: metrics.port }]);
    for (const [path, asked] of Object.entries(probes)) {
      for (const probe of asked) expect(probe?.httpGet).toEqual({ path, port: "metrics" });
    }
  });

  test("are scraped by the PodMonitor, at the port of that name", () => {
    const [monitor] = manifests("kubernetes/pod-monitor.yaml");
    const [deployment] = manifests(file);
    const { selector, podMetricsEndpoints } = monitor?.kind === "PodMonitor" ? monitor.spec : fail(monitor);
    const labels = deployment?.kind === "Deployment" ? deployment.spec.template.metadata.labels : {};

    for (const { key, values } of selector.matchExpressions) expect(values).toContain(labels[key]);
    expect(podMetricsEndpoints.map(({ port }) => port)).toEqual(sensor?.ports?.map(({ name }) => name));
  });

  test("are given longer to stop than they take at most", () => {
    const { sensor: section } = settings as { sensor: { shutdown_timeout: number } };

    expect(pod?.terminationGracePeriodSeconds).toBeGreaterThan(
      section.shutdown_timeout + secondsAfterSensors,
    );
  });

  test("can write to every folder that the configuration names, and mount nothing that is not there", () => {
    const mounted = new Map(sensor?.volumeMounts.map(({ mountPath, name }) => [mountPath, name]));
    const volumes = new Map(pod?.volumes.map((volume) => [volume.name, volume]));

    for (const name of mounted.values()) expect(volumes.has(name), name).toBe(true);
    for (const key of ["runtime_envs_dir", "artifacts_dir", "logs_dir"]) {
      const path = (settings as Record<string, string>)[key] ?? "";
      expect(volumes.get(mounted.get(path) ?? ""), key).toHaveProperty("emptyDir");
    }
  });
});

test("one manifest copies the executable into a folder on disk, the other mounts it from its image", () => {
  const [copied] = pods(deployments[0]);
  const [mounted] = pods(deployments[1]);

  expect(copied?.initContainers?.[0]).toMatchObject({
    image: expect.stringMatching(/^attune\/sensor-agent-init:/),
    command: ["/attune-sensor-agent", "install", "/opt/attune/agent"],
    volumeMounts: [{ name: "agent", mountPath: "/opt/attune/agent" }],
  });
  expect(copied?.volumes.find(({ name }) => name === "agent")).toHaveProperty("emptyDir");
  expect(mounted?.initContainers).toBeUndefined();
  expect(mounted?.volumes.find(({ name }) => name === "agent")?.image?.reference).toMatch(
    /^attune\/sensor-agent:/,
  );
});

test("the agent accepts the settings, and refuses the Secret until it is filled in", () => {
  const text = configMap("kubernetes/settings.yaml", "attune-agent")["agent.yaml"];
  const secret = manifests("kubernetes/settings.yaml").find(({ kind }) => kind === "Secret");
  const stringData = secret !== undefined && "stringData" in secret ? secret.stringData : {};
  expect(stringData).toHaveProperty("database-url");
  const load = (url: string | undefined) =>
    loadConfig({
      flags: { config: "/agent.yaml" },
      env: { ATTUNE__DATABASE__URL: url },
      cwd: "/",
      hostname: "pod",
      readFile: () => text,
    });

  expect(load("postgresql://db/attune").warnings).toEqual([]);
  expect(() => load(stringData["database-url"])).toThrow(/database\.url/);
});

// Goal: what the ConfigMap shows in a pod is a pack, and its script is accepted.
// Method: lay the files out as the kubelet does: the mount holds links into `..data`, which is itself a link to a folder
// of this version.
test("the example pack, mounted as Kubernetes mounts it, loads and its scripts are found", async () => {
  const packsBaseDir = mkdtempSync(join(tmpdir(), "attune-configmap-"));
  onTestFinished(() => rmSync(packsBaseDir, { recursive: true }));
  mountConfigMap(join(packsBaseDir, "hello"));

  const report = await readPack(join(packsBaseDir, "hello"));
  const scripts = await Promise.all(
    ["clock.sh", "pulse.py"].map((entrypoint) =>
      findScript({ packsBaseDir, packRef: "hello", entrypoint, isNative: false }),
    ),
  );

  expect(report).toMatchObject({ kind: "accepted", warnings: [] });
  const definitions = report.kind === "accepted" ? report.pack.definitions.map(({ kind }) => kind) : [];
  expect(definitions.toSorted()).toEqual(["action", "rule", "sensor", "sensor", "trigger"]);
  expect(scripts).toMatchObject([{ kind: "found" }, { kind: "found" }]);
});

test("the job that loads the pack and both deployments see the same files of it", () => {
  const layouts = ["kubernetes/example-pack.yaml", ...deployments].map(
    (file) => packVolume(pods(file)[0])?.configMap,
  );

  for (const layout of layouts) expect(layout).toEqual(layouts[0]);
  expect(layouts[0]?.items?.map(({ key }) => key).toSorted()).toEqual(
    Object.keys(configMap("kubernetes/example-pack.yaml", "attune-pack-hello")).toSorted(),
  );
});

// With `OnFailure`, the controller removes the only pod of a Job that has failed for good, and its log.
test("a job that has failed keeps its pods, whose logs say why", () => {
  const jobs = manifests("kubernetes/example-pack.yaml").filter(({ kind }) => kind === "Job");

  expect(jobs.length).toBeGreaterThan(0);
  for (const job of jobs) expect(job).toHaveProperty("spec.template.spec.restartPolicy", "Never");
});

test("the settings of compose and Kubernetes are the same", () => {
  expect(settings).toEqual(parse(readFileSync(`${dockerDirectory}/config/agent.yaml`, "utf8")));
});

function fail(found: unknown): never {
  throw new Error(`not what was looked for: ${JSON.stringify(found)}`);
}

function mountConfigMap(mount: string): void {
  const version = join(mount, "..2026_01_01_00_00_00.1");
  const data = configMap("kubernetes/example-pack.yaml", "attune-pack-hello");
  const items = packVolume(pods("kubernetes/example-pack.yaml")[0])?.configMap?.items ?? [];
  for (const { key, path } of items) {
    mkdirSync(dirname(join(version, path)), { recursive: true });
    writeFileSync(join(version, path), data[key] ?? "");
    chmodSync(join(version, path), 0o644);
  }
  symlinkSync("..2026_01_01_00_00_00.1", join(mount, "..data"));
  for (const top of new Set(items.map(({ path }) => path.split("/")[0] ?? ""))) {
    symlinkSync(join("..data", top), join(mount, top));
  }
}

function packVolume(pod: Pod | undefined): Pod["volumes"][number] | undefined {
  return pod?.volumes.find(({ name }) => name === "pack-hello");
}

/** The keys below these are the author's, not Kubernetes'. */
const freeMaps = ["data", "stringData", "labels", "matchLabels"];

/** Copies of the value, each with a letter too much in one key, wherever that is. */
function misspellings(value: unknown): readonly unknown[] {
  if (typeof value !== "object" || value === null) return [];
  if (Array.isArray(value)) {
    return value.flatMap((item, index) => misspellings(item).map((each) => value.with(index, each)));
  }
  return Object.entries(value).flatMap(([key, inner]) => {
    const { [key]: _, ...rest } = value as Record<string, unknown>;
    const below = freeMaps.includes(key) ? [] : misspellings(inner);
    return [{ ...rest, [`${key}s`]: inner }, ...below.map((each) => ({ ...rest, [key]: each }))];
  });
}

function containersOf({ containers, initContainers = [] }: Pod): readonly Container[] {
  return [...initContainers, ...containers];
}
