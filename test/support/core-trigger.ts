import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Ajv } from "ajv";
import { parse } from "yaml";
import { repositoryRoot } from "../../scripts/repository.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../src/model/json/json.ts";

/**
 * Where a payload differs from the `out_schema` that the core pack declares. A field that is not declared counts too, since
 * lint would warn about rules that read it.
 * @param name such as `alert`
 */
export function differencesFromCoreSchema(name: string, payload: unknown): readonly string[] {
  const file = join(repositoryRoot, `packs/core/triggers/${name}.yaml`);
  const { out_schema } = parse(readFileSync(file, "utf8")) as { out_schema: JsonObject };
  const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(
    closed(out_schema) as JsonObject,
  );
  if (validate(payload)) return [];
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message ?? ""} ${JSON.stringify(params)}`,
  );
}

/** The schema, but no object with declared fields may have others. */
function closed(schema: JsonValue): JsonValue {
  if (isJsonArray(schema)) return schema.map(closed);
  if (!isJsonObject(schema)) return schema;
  const parts = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  return isJsonObject(schema["properties"]) ? { additionalProperties: false, ...parts } : parts;
}
