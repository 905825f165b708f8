/**
 * The OpenAPI document of the routes. scripts/openapi.ts generates it from their schemas, so the agent need not: it is
 * the repository's docs/openapi.json in development and an asset of the executable otherwise.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { getAsset, isSea } from "node:sea";

/** JSON text. */
export function openApiText(): string {
  const path = "docs/openapi.json";
  return isSea() ? getAsset(path, "utf8") : readFileSync(join(import.meta.dirname, "../..", path), "utf8");
}
