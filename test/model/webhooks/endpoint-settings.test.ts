import { isIP } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { paramsProblems } from "../../../src/model/rules/trigger-params.ts";
import {
  decodeWebhookConfig,
  decodeWebhookRoute,
  isOpen,
  keyRefsOf,
} from "../../../src/model/webhooks/endpoint-settings.ts";
import { endpointTable, findEndpoint } from "../../../src/model/webhooks/endpoint-table.ts";
import { isNetworkText } from "../../../src/model/webhooks/network-text.ts";

const pathsOf = (params: JsonObject): readonly string[] => {
  const decoded = decodeWebhookRoute(params);
  return decoded.kind === "invalid" ? decoded.problems.map(({ path }) => path) : [];
};

test("a rule with nothing but a path answers POST and checks no sender", () => {
  const decoded = decodeWebhookRoute({ path: "/builds/main/" });
  expect(decoded).toMatchObject({
    kind: "valid",
    value: { path: "builds/main", methods: ["POST"], settings: { scheme: null, bytesMax: 1_048_576 } },
  });
  expect(decoded.kind === "valid" && isOpen(decoded.value.settings)).toBe(true);
});

test.each<[string, JsonObject, string]>([
  ["no path", {}, "path"],
  ["a path with a query", { path: "a?b" }, "path"],
  ["a path with an empty part", { path: "a//b" }, "path"],
  ["a path that climbs", { path: "a/../b" }, "path"],
  ["a path like a webhook key", { path: "wh_abc" }, "path"],
  ["an unknown method", { path: "a", method: "TRACE" }, "method"],
  ["method and methods", { path: "a", method: "POST", methods: ["PUT"] }, "methods"],
  ["an unknown preset", { path: "a", preset: "bitbucket", secret: "k" }, "preset"],
  ["a preset without a secret", { path: "a", preset: "github" }, "secret"],
  ["a signature without a secret", { path: "a", signature: {} }, "secret"],
  ["a misspelled setting", { path: "a", secrets: "k" }, "secrets"],
  [
    "a misspelled setting of the signature",
    { path: "a", secret: "k", signature: { algo: "x" } },
    "signature.algo",
  ],
  ["a signature of nothing", { path: "a", secret: "k", signature: { signed: "x" } }, "signature.signed"],
  [
    "a time outside the signature",
    { path: "a", secret: "k", signature: { timestamp_header: "T" } },
    "signature.signed",
  ],
  [
    "a signed time from nowhere",
    { path: "a", secret: "k", signature: { signed: "{timestamp}{body}" } },
    "signature.timestamp_header",
  ],
  [
    "a signed id from nowhere",
    { path: "a", secret: "k", signature: { signed: "{id}{body}" } },
    "delivery_id_header",
  ],
  ["a network that is none", { path: "a", allow_from: ["10.0.0.0/33"] }, "allow_from"],
  ["a limit without a number", { path: "a", rate_limit: { seconds: 1 } }, "rate_limit.requests"],
  ["a body that is larger than any", { path: "a", max_bytes: 26_214_401 }, "max_bytes"],
  ["an answer that is no success", { path: "a", reply: { status: 302 } }, "reply.status"],
  [
    "a header in the type of the answer",
    { path: "a", reply: { content_type: "a/b\r\nX: 1" } },
    "reply.content_type",
  ],
  ["a delivery id in a field without a name", { path: "a", delivery_id_field: "" }, "delivery_id_field"],
  ["a delivery id in the whole body", { path: "a", delivery_id_field: "body." }, "delivery_id_field"],
  ["a delivery id behind an empty name", { path: "a", delivery_id_field: "data..id" }, "delivery_id_field"],
  [
    "a timestamp in a part without a name",
    { path: "a", preset: "stripe", secret: "k", signature: { timestamp_part: "" } },
    "signature.timestamp_part",
  ],
  ["Meta's challenge without its token", { path: "a", challenge: "meta" }, "verify_token"],
])("%s is refused when the rule is saved", async (_what, params, place) => {
  expect(pathsOf(params)).toContain(place);
  const problems = await paramsProblems("core.webhook", params);
  expect(problems.map((problem) => problem.place.join("."))).toContain(place);
});

test.each<[JsonObject, string]>([
  [
    { path: "a", delivery_id_field: "" },
    'must be the path of a field of the body, like id or data.id, not ""',
  ],
  [{ path: "a", body: "xml" }, 'must be one of auto, json, form, text, not "xml"'],
  [{ path: "a", max_bytes: 0 }, "must be a whole number from 1 to 26214400, not 0"],
  [{ path: "a", reply: "ok" }, 'must be a mapping, not "ok"'],
  [{ path: "a", method: "TRACE" }, 'must be among POST, PUT, PATCH, DELETE, GET, not "TRACE"'],
  [{ path: "a", delivery_id_header: "X Id" }, 'must be the name of a header, like X-Request-Id, not "X Id"'],
])("what is wrong with %j says what was given and what to write", async (params, reason) => {
  expect((await paramsProblems("core.webhook", params)).map((problem) => problem.reason)).toEqual([reason]);
});

test("a secret written in place of its key's ref is not repeated", async () => {
  const params = { path: "a", secret: { value: "hunter2" } };
  expect(JSON.stringify(await paramsProblems("core.webhook", params))).not.toContain("hunter2");
});

test("each preset is complete with a secret, and names the keys it needs", () => {
  for (const preset of ["github", "gitlab", "stripe", "slack", "shopify", "standard-webhooks"])
    expect(pathsOf({ path: "a", preset, secret: "k" })).toEqual([]);
  const meta = decodeWebhookConfig({
    preset: "meta",
    secret: ["k1", "k2"],
    verify_token: "k3",
    bearer: "k1",
  });
  expect(meta.kind === "valid" && keyRefsOf(meta.value)).toEqual(["k1", "k2", "k3"]);
});

test("another algorithm changes the default prefix with it", () => {
  const decoded = decodeWebhookConfig({ secret: "k", signature: { algorithm: "sha1" } });
  expect(decoded).toMatchObject({ value: { scheme: { prefix: "sha1=" } } });
  const token = decodeWebhookConfig({ secret: "k", signature: { algorithm: "token" } });
  expect(token).toMatchObject({ value: { scheme: { prefix: "" } } });
});

test("an address is an address if Node says so", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/)), (text) => {
      expect(isNetworkText(text)).toBe(isIP(text) !== 0);
    }),
  );
  expect(isNetworkText("10.0.0.0/8")).toBe(true);
  expect(isNetworkText("2001:db8::/129")).toBe(false);
});

const rule = (id: string, params: JsonObject) => ({ id, ref: `demo.r${id}`, packRef: null, params });

test("rules with one path share it if their settings are equal; else the oldest keeps it", () => {
  const github = { path: "push", preset: "github", secret: "k" };
  const table = endpointTable(
    [
      rule("10", { ...github, max_bytes: 5 }),
      rule("9", github),
      rule("11", github),
      rule("12", { path: "a?" }),
    ],
    [],
  );
  const found = findEndpoint(table, "push", "POST");
  expect(found).toMatchObject({
    kind: "found",
    endpoint: { rules: [{ ref: "demo.r9" }, { ref: "demo.r11" }] },
  });
  expect(table.problems.map(({ ref }) => ref).toSorted()).toEqual(["demo.r10", "demo.r12"]);
  expect(table.problems.find(({ ref }) => ref === "demo.r10")?.problem).toContain("demo.r9");
});

test("rules with one path and other methods are endpoints of their own", () => {
  const table = endpointTable(
    [rule("1", { path: "a" }), rule("2", { path: "a", method: "put", bearer: "k" })],
    [],
  );
  expect(table.problems).toEqual([]);
  expect(findEndpoint(table, "/a/", "PUT")).toMatchObject({ endpoint: { settings: { bearerRefs: ["k"] } } });
  expect(findEndpoint(table, "a", "GET")).toEqual({ kind: "other method", allowed: ["POST", "PUT"] });
  expect(findEndpoint(table, "A", "POST")).toEqual({ kind: "unknown" });
  expect(findEndpoint(table, "constructor", "POST")).toEqual({ kind: "unknown" });
});

test("Meta's challenge comes with GET, whatever the endpoint answers otherwise", () => {
  const params = { path: "a", preset: "meta", secret: "k", verify_token: "v" };
  const table = endpointTable([rule("1", params)], []);
  expect(findEndpoint(table, "a", "GET")).toMatchObject({ kind: "found", allowedOtherwise: ["POST"] });
  expect(findEndpoint(table, "a", "POST")).toMatchObject({ kind: "found", allowedOtherwise: null });
});
