import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { layers } from "../../scripts/layers/layer-rules.ts";
import { layerViolations } from "../../scripts/layers/layer-violations.ts";
import { readModules } from "../../scripts/layers/read-modules.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const planted: readonly { readonly what: string; readonly in: string; readonly text: string }[] = [
  { what: "an import upwards", in: "database/a.ts", text: `import { x } from "../events/x.ts";` },
  { what: "a feature by a feature", in: "events/a.ts", text: `import { x } from "../rules/x.ts";` },
  { what: "an adapter by an adapter", in: "messaging/a.ts", text: `import { x } from "../database/x.ts";` },
  {
    what: "telemetry beyond its two interfaces",
    in: "database/a.ts",
    text: `import { x } from "../telemetry/x.ts";`,
  },
  { what: "time by the model", in: "model/a.ts", text: `import { x } from "../time/x.ts";` },
  { what: "the model by the foundation", in: "errors/a.ts", text: `import { x } from "../model/x.ts";` },
  { what: "the composition by a feature", in: "api/a.ts", text: `import { x } from "../service/x.ts";` },
  { what: "the entry by the composition", in: "service/a.ts", text: `import { x } from "../agent/x.ts";` },
  { what: "findings by a feature", in: "api/a.ts", text: `import { x } from "../diagnosis/x.ts";` },
  { what: "the entry by the findings", in: "diagnosis/a.ts", text: `import { x } from "../agent/x.ts";` },
  {
    what: "the composition by the findings",
    in: "diagnosis/a.ts",
    text: `import { x } from "../service/x.ts";`,
  },
  { what: "a type only", in: "events/a.ts", text: `import type { X } from "../rules/x.ts";` },
  { what: "a type written inline", in: "events/a.ts", text: `export type X = import("../rules/x.ts").X;` },
  { what: "a side effect only", in: "events/a.ts", text: `import "../rules/x.ts";` },
  { what: "a re-export", in: "events/a.ts", text: `export * from "../rules/x.ts";` },
  { what: "a re-exported name", in: "events/a.ts", text: `export { x } from "../rules/x.ts";` },
  { what: "a dynamic import", in: "events/a.ts", text: `export const x = () => import("../rules/x.ts");` },
  { what: "a computed import", in: "events/a.ts", text: `export const x = (y: string) => import(y);` },
  { what: "another's library", in: "events/a.ts", text: `import pg from "pg";` },
  {
    what: "a path into another's library",
    in: "rules/a.ts",
    text: `import { x } from "@electric-sql/pglite/x";`,
  },
  { what: "a builtin with an owner", in: "sensors/a.ts", text: `import { spawn } from "child_process";` },
  { what: "a library without an owner", in: "events/a.ts", text: `import { x } from "unheard-of";` },
  { what: "input by the model", in: "model/a.ts", text: `import { readFile } from "node:fs/promises";` },
  { what: "a test", in: "events/a.ts", text: `import { x } from "../../test/support/x.ts";` },
  { what: "a folder without a layer", in: "utils/a.ts", text: `export const x = 1;` },
];

const allowed: readonly { readonly in: string; readonly text: string }[] = [
  {
    in: "main.ts",
    text: `import { x } from "./agent/x.ts"; export const y = () => import("./service/x.ts");`,
  },
  { in: "agent/a.ts", text: `import { x } from "../processes/x.ts";` },
  { in: "service.ts", text: `import { x } from "./service/x.ts"; import { y } from "./database/y.ts";` },
  { in: "service/a.ts", text: `import { x } from "../events/x.ts"; import { y } from "../database/y.ts";` },
  { in: "service/b.ts", text: `import { x } from "../diagnosis/x.ts";` },
  { in: "diagnosis/a.ts", text: `import { x } from "../packs/x.ts"; import { y } from "../runtimes/y.ts";` },
  { in: "events/a.ts", text: `import { x } from "./b.ts"; import type { Y } from "../model/y.ts";` },
  { in: "database/a.ts", text: `import pg from "pg"; import type { L } from "../telemetry/logger.ts";` },
  { in: "model/a.ts", text: `import { x } from "../errors/x.ts"; import { RE2JS } from "re2js";` },
  { in: "time/a.ts", text: `import { x } from "../concurrency/x.ts"; import { y } from "node:timers";` },
  { in: "agent/b.ts", text: `import manifest from "../../package.json" with { type: "json" };` },
];

test.each(planted)("finds $what imported in $in", async (file) => {
  await using tree = await sourceTree([file]);

  const violations = layerViolations(readModules(tree.path));

  expect(violations).toHaveLength(1);
  expect(violations[0]).toMatchObject({ path: file.in, line: 1 });
});

test("allows what the layers allow", async () => {
  await using tree = await sourceTree(allowed);

  expect(layerViolations(readModules(tree.path))).toEqual([]);
});

test("names the line of the import", async () => {
  const text = `// one\n// two\nimport { x } from "../rules/x.ts";\n`;
  await using tree = await sourceTree([{ in: "events/a.ts", text }]);

  expect(layerViolations(readModules(tree.path))).toEqual([
    { path: "events/a.ts", line: 3, complaint: "features may not import each other: events → rules/x.ts" },
  ]);
});

test("a module that cannot be parsed is an error, not a pass", async () => {
  await using tree = await sourceTree([{ in: "events/a.ts", text: "import {" }]);

  expect(() => readModules(tree.path)).toThrow("could not parse src/events/a.ts");
});

test("this repository keeps its layers", () => {
  const modules = readModules(repositoryRoot);

  expect(modules.length).toBeGreaterThan(10);
  expect(layerViolations(modules)).toEqual([]);
});

test("docs/architecture.md names every layer and its folders, and they exist", () => {
  const page = readFileSync(join(repositoryRoot, "docs/architecture.md"), "utf8");
  const table = page.slice(page.indexOf("## Layers"), page.indexOf("## Parts"));
  const [, ...rows] = table.matchAll(/^\| (\w+) +\| ([^|]+)\|/gm);

  const documented = new Map(rows.map(([, layer, cell = ""]) => [layer, partsIn(cell)]));

  expect(documented).toEqual(new Map(layers.map(({ name, parts }) => [name, parts.toSorted()])));
  const parts = layers.flatMap((layer) => layer.parts);
  expect(parts.filter((part) => !existsSync(join(repositoryRoot, "src", part)))).toEqual([]);
});

/** The folders and modules in a cell of the table, each as in the layers. */
function partsIn(cell: string): string[] {
  const names = [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, text = ""]) => text.split(" "));
  return names.map((name) => name.replace(/\/$/, "")).toSorted();
}

async function sourceTree(files: readonly { readonly in: string; readonly text: string }[]) {
  const root = await mkdtempDisposable(join(tmpdir(), "layers-"));
  for (const file of files) {
    const path = join(root.path, "src", file.in);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, file.text);
  }
  return root;
}
