import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { variableName } from "../../src/config/environment.ts";
import { configSchema } from "../../src/config/schema.ts";
import { expectation, type SchemaNode } from "../../src/config/schema-node.ts";

/** One row of the page for each key: its name, type, default, variable and meaning. */
function rows(node: SchemaNode, path: readonly string[] = []): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const here = [...path, key];
    const own = child.description === undefined ? [] : [row(here, child)];
    return [...own, ...rows(child, here)];
  });
}

function row(path: readonly string[], node: SchemaNode): string {
  const fallback = node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
  return [
    `\`${path.join(".")}\``,
    expectation(node),
    fallback,
    `\`${variableName(path)}\``,
    node.description,
  ].join(" | ");
}

test("docs/configuration.md lists exactly the keys there are, with type, default, variable and meaning", () => {
  const page = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8");
  const documented = page
    .split("\n")
    .filter((line) => /^\| `[a-z_.]+` +\|/.test(line))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(" | "),
    );

  expect(documented).toEqual(rows(configSchema));
});
