import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { libraryOwners } from "../../scripts/layers/layer-rules.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const manifest: {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
} = JSON.parse(read("package.json"));

test("docs/decisions/0001-libraries.md explains every dependency, and none that is not there", () => {
  const page = read("docs/decisions/0001-libraries.md");
  const rows = page.matchAll(/^\| `([^`]+)`\s*\|\s*(\S.*?)\s*\|$/gm);

  const explained = [...rows].map(([, name]) => name);

  expect(explained).toEqual([
    ...Object.keys(manifest.dependencies),
    ...Object.keys(manifest.devDependencies),
  ]);
});

test("every library the agent carries has an owner, and every owned library is carried", () => {
  const owned = Object.keys(libraryOwners).filter((name) => !name.startsWith("node:"));

  expect(owned.toSorted()).toEqual(Object.keys(manifest.dependencies).toSorted());
});

test("every version is pinned", () => {
  const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });

  expect(versions.filter((version) => !/^\d/.test(version))).toEqual([]);
});

function read(path: string): string {
  return readFileSync(join(repositoryRoot, path), "utf8");
}
