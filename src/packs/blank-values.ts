/**
 * Finds values left empty by mistake. YAML reads `value:` as null, and conditions may compare with null, but
 * an author who means null writes it. Only the file shows the difference.
 */
import type { Path } from "../config/yaml-source.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../model/json/json.ts";
import type { DefinitionFile } from "./definition-file.ts";
import type { PackProblem } from "./pack-problem.ts";

/** A problem for each `value:` without a value in a rule's conditions. */
export function blankValues(file: DefinitionFile<"rule">, conditions: JsonValue, path: Path): PackProblem[] {
  if (isJsonArray(conditions))
    return conditions.flatMap((part, index) => blankValues(file, part, [...path, index]));
  if (!isJsonObject(conditions)) return [];
  return Object.entries(conditions).flatMap(([name, inner]) => {
    const place = [...path, name];
    if (name !== "value") return blankValues(file, inner, place);
    const isUsed = conditions["operator"] !== "exists" && conditions["operator"] !== "not_exists";
    return isUsed ? blanks(file, inner, place) : [];
  });
}

function blanks(file: DefinitionFile<"rule">, value: JsonValue, path: Path): PackProblem[] {
  if (isJsonArray(value) || isJsonObject(value))
    return Object.entries<JsonValue>(value).flatMap(([name, member]) =>
      blanks(file, member, [...path, isJsonArray(value) ? Number(name) : name]),
    );
  const reason = 'is empty; write null if you mean null, or "" for an empty string';
  return value === null && file.isBlank(path) ? [file.problemAt(path, reason)] : [];
}
