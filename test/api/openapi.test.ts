/** The OpenAPI document says what the routes say, and is readable without anything from elsewhere. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeApi } from "../../scripts/openapi/describe-api.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { openApiPage } from "../../src/api/openapi-page.ts";
import { isJsonObject, type JsonObject } from "../../src/model/json/json.ts";
import { parseJson } from "../../src/model/json/json-text.ts";

const text = readFileSync(join(repositoryRoot, "docs/openapi.json"), "utf8");
const document = asObject(parseJson(text));

function asObject(value: unknown): JsonObject {
  if (!isJsonObject(value)) throw new Error("not a JSON object");
  return value;
}

const operations = Object.entries(asObject(document["paths"])).flatMap(([path, item]) =>
  Object.entries(asObject(item)).map(([method, operation]) => ({
    path,
    method,
    operation: asObject(operation),
  })),
);

test("docs/openapi.json is what the routes' schemas say; node scripts/openapi.ts writes it", async () => {
  expect(await describeApi()).toBe(text);
});

test("every operation has a name of its own, and says who may use it", () => {
  const names = operations.map(({ operation }) => operation["operationId"]);

  expect(new Set(names).size).toBe(names.length);
  for (const { path, operation } of operations)
    expect([path, operation["description"]]).toEqual([
      path,
      expect.stringMatching(/Needs no token|For the roles/),
    ]);
});

test("everything below /api/v1 demands a token, but for what logs in and for webhooks", () => {
  const openPaths = operations
    .filter(({ operation }) => operation["security"] === undefined)
    .map(({ path }) => path);
  // A webhook answers several methods.
  const open = [...new Set(openPaths)];

  expect(open.filter((path) => path.startsWith("/api/v1/"))).toEqual(
    openBelowPrefix.filter((path) => open.includes(path)),
  );
});

const openBelowPrefix = [
  "/api/v1/auth/session",
  "/api/v1/webhooks/{*}",
  "/api/v1/auth/login",
  "/api/v1/auth/refresh",
  "/api/v1/agent/info",
  "/api/v1/agent/binary",
];

test("the page names every operation, and neither runs nor loads anything", () => {
  const page = openApiPage(document);

  for (const { path } of operations) expect(page).toContain(`<code>${path}</code>`);
  expect(page).not.toMatch(/<script|https?:\/\/|src=|@import|url\(/);
});

test("text of the document is no markup on the page", () => {
  const page = openApiPage({
    info: { title: "<img onerror=x>", version: "1" },
    paths: {
      "/<b>": { get: { tags: ['"><i>'], summary: "<u>", parameters: [{ name: "<s>", in: "query" }] } },
    },
  });

  expect(page).not.toMatch(/<img|<i>|<u>|<s>|<code>\/<b>/);
});
