import { Type } from "typebox";
import { expect, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { readJsonBodies } from "../../src/api/json-body.ts";
import { RequestBodies } from "../../src/api/request-bodies.ts";
import { Text, validateRequests } from "../../src/api/validation.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

async function post(payload: string) {
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  readJsonBodies(server, new RequestBodies());
  validateRequests(server);
  const body = Type.Object({ names: Type.Array(Type.String()), ref: Type.Optional(Text("A ref")) });
  server.post("/names", { schema: { body } }, async () => ({ taken: true }));
  const headers = { "content-type": "application/json" };
  const response = await server.inject({ method: "POST", url: "/names", headers, payload });
  await server.close();
  return { status: response.statusCode, body: response.json<unknown>() };
}

test.each([
  String.raw`{"names": ["\u0000"]}`,
  String.raw`{"names": ["a", "\ud800"]}`,
  String.raw`{"names": [], "x": {"\udfff": 1}}`,
])("a body that the database cannot hold is refused before any handler: %s", async (payload) => {
  expect(await post(payload)).toMatchObject({
    status: 422,
    body: { code: "VALIDATION_FAILED", details: [{ parameter: "body" }] },
  });
});

test("a NUL is named as such", async () => {
  expect(await post(String.raw`{"names": [], "ref": "\u0000"}`)).toMatchObject({
    status: 422,
    body: { details: [{ parameter: "ref", problem: "must not contain the character NUL" }] },
  });
});

test("every mistake is named", async () => {
  expect(await post('{"names": [1, "a", null]}')).toMatchObject({
    status: 422,
    body: { details: [{ parameter: "names.0" }, { parameter: "names.2" }] },
  });
  expect(await post('{"names": ["\u{1f600}"]}')).toEqual({ status: 200, body: { taken: true } });
});
