import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { deploymentFiles, readText, secondsAfterSensors } from "./deployment-files.ts";

const path = join(repositoryRoot, "docs/install.md");
const page = readFileSync(path, "utf8");

test("every file that the installation page names is there, and it names every manifest", () => {
  const links = [...page.matchAll(/\]\(([^)#]+)[^)]*\)/g)].map(([, link = ""]) => join(dirname(path), link));
  const files = [...page.matchAll(/\b(?:docker|packs)\/[\w./-]*\w/g)].map(([file]) =>
    join(repositoryRoot, file),
  );

  for (const file of [...links, ...files]) {
    if (file.endsWith("docker/.env")) continue; // Made on the spot.
    expect(existsSync(file), file).toBe(true);
  }
  for (const file of deploymentFiles()) {
    if (/\.(yaml|service)$/.test(file) && !file.startsWith("config/")) {
      expect(page, file).toContain(file.split("/").at(-1));
    }
  }
});

test("whatever the page asks Kubernetes about is in a manifest", () => {
  const manifests = globSync("docker/kubernetes/*.yaml", { cwd: repositoryRoot })
    .map((file) => readFileSync(join(repositoryRoot, file), "utf8"))
    .join("\n");

  const asked = [...page.matchAll(/\bkubectl .*?\b(job|deployment)[ /]([\w-]+)/g)];

  expect(new Set(asked.map(([, kind]) => kind))).toEqual(new Set(["job", "deployment"]));
  for (const [command, kind = "", name = ""] of asked) {
    const object = new RegExp(`^kind: ${kind}\\nmetadata:\\n  name: ${name}$`, "im");
    expect(manifests, command).toMatch(object);
  }
});

test("the page and the manifest name the same versions that image volumes want", () => {
  const manifest = readText("kubernetes/sensor-image-volume.yaml").replaceAll("\n#", "");
  const wanted = /Kubernetes ([\d.]+), .*containerd from ([\d.]+) on, CRI-O from ([\d.]+) on/.exec(manifest);

  const [, kubernetes, containerd, crio] = wanted ?? [];
  expect(page).toContain(`(Kubernetes ${kubernetes}, containerd ${containerd} or CRI-O ${crio})`);
});

// Workers watch rows, not files: changes of files take effect at their next start.
test("every page that explains how to load a changed pack explains how to restart the workers", () => {
  const sections = page.split(/^## /m);
  const loads = /docker compose run --rm packs|kubectl delete job/;
  const telling = sections.filter((section) => loads.test(section));

  expect(telling.length).toBeGreaterThan(1);
  for (const section of telling) {
    expect(section).toMatch(/docker compose restart sensor|kubectl rollout restart deployment/);
  }
});

test("every advised stop timeout is longer than a stop may take", () => {
  const texts = [page, ...deploymentFiles().map(readText)].join("\n");
  const advised = [...texts.matchAll(/(\d+) s\s+above\b/g)].map(([, seconds]) => Number(seconds));
  const explained = [...texts.matchAll(/storing, confirming and closing \((\d+) s\)/g)].map(([, seconds]) =>
    Number(seconds),
  );

  expect(advised.length).toBeGreaterThan(4);
  for (const seconds of advised) expect(seconds).toBeGreaterThan(secondsAfterSensors);
  expect(explained.length).toBeGreaterThan(4);
  for (const seconds of explained) expect(seconds).toBe(secondsAfterSensors);
});

// Goal: a user who searches the page for a message of the agent finds it.
// Method: whatever the first column of the table quotes as code must occur in a source, word for word.
test("the troubleshooting table quotes real messages", () => {
  const sources = globSync(["src/**/*.ts", "build/packing/stub/*.c", "docker/*.yaml"], {
    cwd: repositoryRoot,
  })
    .map((file) => readFileSync(join(repositoryRoot, file), "utf8"))
    .join("\n");
  // Sentences are put together: `could not ${attempt}`.
  const quoted = rowsOfTroubles().flatMap((cell) =>
    [...cell.matchAll(/`([^`]+)`/g)].map(([, text = ""]) => text),
  );
  const said = quoted
    .filter((text) => !text.startsWith("/"))
    .map((text) => text.replace(/^could not (?!start)/, ""));

  expect(said.length).toBeGreaterThan(8);
  for (const text of said) expect(sources.includes(text), text).toBe(true);
});

function rowsOfTroubles(): readonly string[] {
  const [, section = ""] = page.split("## When it does not start");
  return section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| it says"))
    .map((line) => line.split("|")[1] ?? "");
}
