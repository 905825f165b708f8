/** How commands print what the API answers: as a table for people, or as JSON or YAML with everything. */
import { Document, visit } from "yaml";
import { ExactNumber } from "../../model/json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { onOneLine, visibleText } from "../../model/texts/quoted-text.ts";

export const outputFormats = ["table", "json", "yaml"] as const;

export type OutputFormat = (typeof outputFormats)[number];

/** The heading of a column, and the path of its value in an entry: `process.pid`. */
export type Column = readonly [heading: string, path: string];

/** A wider value is cut in a table. */
const cellWidthMax = 60;

export function listText(
  entries: readonly JsonObject[],
  columns: readonly Column[],
  format: OutputFormat,
): string {
  if (format !== "table") return document(entries, format);
  if (entries.length === 0) return "none\n";
  const rows = [
    columns.map(([heading]) => heading),
    ...entries.map((entry) => columns.map(([, path]) => cell(at(entry, path)))),
  ];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((text, index) => text.padEnd(widths[index] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

/** Every key of one entry, one per line. */
export function entryText(entry: JsonObject, format: OutputFormat): string {
  if (format !== "table") return document(entry, format);
  return document(entry, "yaml");
}

function document(value: JsonValue, format: "json" | "yaml"): string {
  if (format === "json") return `${JSON.stringify(value, null, 2)}\n`;
  const yaml = new Document(value, yamlReplacer);
  visit(yaml, {
    Scalar(_key, node) {
      // Only in double quotes can characters that steer a terminal be escapes.
      if (typeof node.value === "string" && visibleText(node.value) !== node.value)
        node.type = "QUOTE_DOUBLE";
    },
  });
  return yaml.toString({ lineWidth: 0 });
}

/** YAML has no place for a number with more digits than a double; as text it keeps them. */
function yamlReplacer(_key: unknown, value: unknown): unknown {
  return value instanceof ExactNumber ? value.text : value;
}

function at(entry: JsonValue, path: string): JsonValue {
  let value: JsonValue | undefined = entry;
  for (const key of path.split(".")) value = isJsonObject(value) ? value[key] : undefined;
  return value ?? null;
}

function cell(value: JsonValue): string {
  const text = cellText(value);
  if (text.length <= cellWidthMax) return text;
  // Not between the halves of a character beyond U+FFFF.
  return `${text.slice(0, cellWidthMax - 1).replace(/[\uD800-\uDBFF]$/, "")}…`;
}

function cellText(value: JsonValue): string {
  if (value === null) return "-";
  if (value === true) return "yes";
  if (value === false) return "no";
  if (isJsonArray(value)) return value.map(cellText).join(", ") || "-";
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return onOneLine(text);
}

/** A value of an answer inside a sentence. */
export function plainText(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : JSON.stringify(value ?? null);
}

/** The lines of a report. Each stays a single line, whatever texts it contains. */
export function linesText(lines: readonly string[]): string {
  return lines.map((line) => `${onOneLine(line)}\n`).join("");
}
