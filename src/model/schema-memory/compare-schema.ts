/** Compares what payloads look like with what the trigger's out_schema says about them. */
import { isJsonObject, objectOf, type JsonObject } from "../json/json.ts";
import { fieldFacts } from "../rules/payload-schema.ts";
import { childPath, fieldPathOf, parentPath } from "./memory-path.ts";
import { typeText } from "./memory-drift.ts";
import { unseenMin } from "./seen-fields.ts";
import { typesIn, type FieldMemory, type PayloadMemory } from "./payload-memory.ts";

export interface SchemaDifference {
  readonly kind: "undeclared" | "type" | "missing" | "unseen";
  readonly path: string;
  /** A sentence. */
  readonly text: string;
}

export function compareWithSchema(memory: PayloadMemory, schema: JsonObject): readonly SchemaDifference[] {
  const differences = [...memory.fields].flatMap(([path, field]) =>
    compareField(path, field, memory, schema),
  );
  const seen = new Set(differences.map(({ path }) => path));
  // What is wrong with a field is wrong with everything inside.
  const outermost = differences.filter(({ path }) => {
    for (let parent = parentPath(path); parent !== undefined; parent = parentPath(parent)) {
      if (seen.has(parent)) return false;
    }
    return true;
  });
  return [...outermost, ...unseen(memory, schema)];
}

function compareField(
  path: string,
  field: FieldMemory,
  { samples }: PayloadMemory,
  schema: JsonObject,
): readonly SchemaDifference[] {
  const fieldPath = fieldPathOf(path);
  if (fieldPath === undefined) return [];
  const facts = fieldFacts(schema, fieldPath);
  if (facts.kind === "undeclared") {
    const share = shareText(field.present, samples);
    return [
      { kind: "undeclared", path, text: `\`${path}\` is in ${share} of the payloads and not declared` },
    ];
  }
  if (facts.kind !== "known") return [];
  const { types } = facts;
  const found = typesIn(field);
  const others = types === undefined ? [] : found.filter((type) => !types.has(type));
  if (types !== undefined && others.length > 0) {
    const declared = [...types].map(typeText).join(" or ");
    const text = `\`${path}\` is declared as ${declared}, but is ${others.map(typeText).join(" or ")} in some payloads`;
    return [{ kind: "type", path, text }];
  }
  if (!facts.isRequired || field.present >= samples) return [];
  const share = shareText(samples - field.present, samples);
  return [
    { kind: "missing", path, text: `\`${path}\` is required, but missing in ${share} of the payloads` },
  ];
}

/** Fields of the payload itself, and of its objects. */
function unseen(memory: PayloadMemory, schema: JsonObject): readonly SchemaDifference[] {
  if (memory.samples < unseenMin || memory.isCut) return [];
  const found: SchemaDifference[] = [];
  const visit = (node: JsonObject, path: string, depth: number): void => {
    for (const [name, inner] of Object.entries(objectOf(node["properties"]))) {
      const innerPath = childPath(path, { name });
      if (!memory.fields.has(innerPath)) {
        const text = `\`${innerPath}\` is declared, but in none of ${memory.samples} payloads`;
        found.push({ kind: "unseen", path: innerPath, text });
      } else if (isJsonObject(inner) && depth > 0) {
        visit(inner, innerPath, depth - 1);
      }
    }
  };
  visit(schema, "", 3);
  return found;
}

function shareText(count: number, all: number): string {
  if (count >= all) return "all";
  const percent = (100 * count) / all;
  if (percent < 1) return "less than 1 %";
  return percent > 99 ? "over 99 %" : `${Math.round(percent)} %`;
}
