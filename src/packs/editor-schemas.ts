/**
 * JSON Schemas of a pack's files, with which editors complete and check them while one writes. They are made from the
 * schemas that loading uses (definition-schemas.ts), in the draft that YAML editors understand best: draft 7.
 *
 * They are stricter than loading in one respect: an unknown key is an error, since in an editor it is usually a misspelt one.
 */
import { operators } from "../model/conditions/operators.ts";
import { definitionSchemas, fieldAliases } from "../model/definition-schemas.ts";
import { isJsonArray, isJsonObject, objectOf, type JsonObject, type JsonValue } from "../model/json/json.ts";
import { parseJson } from "../model/json/json-text.ts";
import { testCaseSchema } from "./pack-tests.ts";
import type { SchemaName } from "./accept-fields.ts";

/** The kinds of files: `pack.yaml`, those of the definitions, and the test files. */
export const editorSchemaNames = ["pack", "runtime", "trigger", "action", "sensor", "rule", "test"] as const;

export type EditorSchemaName = (typeof editorSchemaNames)[number];

const draft = "http://json-schema.org/draft-07/schema#";

export function editorSchema(name: EditorSchemaName): JsonObject {
  if (name === "test") {
    const items = { ...plain(testCaseSchema), additionalProperties: false };
    return { $schema: draft, title: "Test cases of a pack's rules", type: "array", items };
  }
  const { properties, required } = members(plain(definitionSchemas[name]));
  const written: JsonObject =
    name === "rule" ? { ...properties, conditions: { $ref: "#/definitions/conditions" } } : properties;
  const aliases = Object.entries(fieldAliases[name]);
  const older = aliases.map(([alias, field]) => [
    alias,
    { ...objectOf(written[field]), deprecationMessage: `the current name is ${field}` },
  ]);
  return {
    $schema: draft,
    title: titles[name],
    type: "object",
    properties: { ...written, ...Object.fromEntries(older) },
    additionalProperties: false,
    allOf: required.map((field) => ({
      anyOf: [field, ...aliases.flatMap(([alias, current]) => (current === field ? [alias] : []))].map(
        (each) => ({ required: [each] }),
      ),
    })),
    ...(name === "rule" ? { definitions: conditionDefinitions } : {}),
  };
}

/** The schema of a file as text. */
export function editorSchemaText(name: EditorSchemaName): string {
  return `${JSON.stringify(editorSchema(name), undefined, 2)}\n`;
}

const titles: Readonly<Record<SchemaName, string>> = {
  pack: "A pack",
  runtime: "A runtime: an interpreter that sensors need",
  trigger: "A trigger: a kind of event",
  action: "An action that rules may request",
  sensor: "A sensor: a program that reports events",
  rule: "A rule: which events request which action",
};

const condition = { $ref: "#/definitions/condition" };
const conditionList = { type: "array", items: condition };

const conditionDefinitions = {
  conditions: {
    description:
      "Which events it matches: a comparison, a list of conditions that must all hold, or all, any and not",
    anyOf: [{ type: "null" }, { type: "object", maxProperties: 0 }, condition],
  },
  condition: {
    anyOf: [
      conditionList,
      combination("all", conditionList, "All of them must hold"),
      combination("any", { ...conditionList, minItems: 1 }, "At least one of them must hold"),
      combination("not", condition, "It must not hold"),
      {
        type: "object",
        properties: {
          field: {
            type: "string",
            minLength: 1,
            description: "A path in the payload, such as user.name or items[0]",
          },
          operator: { enum: Object.keys(operators), description: "How to compare" },
          value: { description: "What to compare with; exists and not_exists have none" },
        },
        required: ["field", "operator"],
        additionalProperties: false,
      },
    ],
  },
};

function combination(name: string, schema: JsonObject, description: string): JsonObject {
  return {
    type: "object",
    properties: { [name]: { ...schema, description } },
    required: [name],
    additionalProperties: false,
  };
}

/** As an editor needs a schema: without what only this program reads, and with one item in place of a list of it. */
function plain(schema: unknown): JsonObject {
  return objectOf(adapted(parseJson(JSON.stringify(schema))));
}

function adapted(schema: JsonValue): JsonValue {
  if (isJsonArray(schema)) return schema.map(adapted);
  if (!isJsonObject(schema)) return schema;
  const { expects, description, ...rest } = schema;
  const entries = Object.entries(rest).map(([name, value]) => [name, adapted(value)] as const);
  // Both may also be the name of a property.
  return {
    ...(expects === undefined || typeof expects === "string" ? {} : { expects: adapted(expects) }),
    ...(description === undefined ? {} : { description: shown(description) }),
    ...Object.fromEntries(entries),
  };
}

/** Editors show links to pages as they are written. */
function shown(description: JsonValue): JsonValue {
  return typeof description === "string"
    ? description.replaceAll(/\[([^\]]+)\]\([^)]+\)/g, "$1")
    : adapted(description);
}

/** The properties of an object, and those that must be given: defaults fill in the others. */
function members(schema: JsonObject): {
  readonly properties: JsonObject;
  readonly required: readonly string[];
} {
  const properties = objectOf(schema["properties"]);
  const names = schema["required"] ?? [];
  const required = (isJsonArray(names) ? names : [])
    .filter((name) => typeof name === "string")
    .filter((name) => !Object.hasOwn(objectOf(properties[name]), "default"));
  const loose = Object.entries(properties).map(([name, property]) => [name, orOneItem(objectOf(property))]);
  return { properties: Object.fromEntries(loose), required };
}

function orOneItem(schema: JsonObject): JsonObject {
  const { type, items, description, default: preset, ...rest } = schema;
  if (type !== "array" || items === undefined) return schema;
  return {
    ...(description === undefined ? {} : { description }),
    ...(preset === undefined ? {} : { default: preset }),
    anyOf: [{ type: "array", items, ...rest }, items],
  };
}
