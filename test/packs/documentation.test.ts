import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expectation, type SchemaNode } from "../../src/config/schema-node.ts";
import { definitionSchemas, fieldAliases } from "../../src/model/definition-schemas.ts";

const page = readFileSync(new URL("../../docs/packs.md", import.meta.url), "utf8");

type Kind = keyof typeof definitionSchemas;

/** The rows of the table under the heading that names the kind's file. */
function documented(kind: Kind): readonly string[] {
  const heading = kind === "pack" ? "pack.yaml" : `${kind}s/*.yaml`;
  const [, section = ""] = page.split(`\n## ${heading}\n`);
  const [own = ""] = section.split("\n## ");
  return own
    .split("\n")
    .filter((line) => /^\| `[a-z_]+` +\|/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim())
        .join(" | "),
    );
}

function existing(kind: Kind): readonly string[] {
  const schema = definitionSchemas[kind];
  const required: readonly string[] = schema.required;
  return Object.entries<SchemaNode>(schema.properties).map(([field, node]) => {
    const fallback = node.default === undefined ? "" : `\`${JSON.stringify(node.default)}\``;
    const isRequired = required.includes(field) && node.default === undefined;
    return [`\`${field}\``, expectation(node), isRequired ? "required" : fallback, node.description].join(
      " | ",
    );
  });
}

const kinds: readonly Kind[] = ["pack", "runtime", "trigger", "action", "sensor", "rule"];

test.each(kinds)(
  "docs/packs.md lists exactly the fields of a %s, with value, default and meaning",
  (kind) => {
    expect(documented(kind)).toEqual(existing(kind));
  },
);

test("docs/packs.md lists exactly the older names that are understood", () => {
  const rows = [...page.matchAll(/^\| (\w+) +\| (`.+`) +\| `(\w+)` +\|$/gm)].map(([, kind, names, field]) => [
    kind,
    names,
    field,
  ]);

  const aliases = kinds.flatMap((kind) =>
    [...new Set(Object.values(fieldAliases[kind]))].map((field) => {
      const names = Object.keys(fieldAliases[kind]).filter((name) => fieldAliases[kind][name] === field);
      return [kind, names.map((name) => `\`${name}\``).join(", "), field];
    }),
  );
  expect(rows.map(([kind, names = "", field]) => [kind, names.trim(), field])).toEqual(aliases);
});
