import { expect, test } from "vitest";
import { slackChallenge, metaChallenge } from "../../../src/model/webhooks/challenge.ts";
import { decodeWebhookConfig } from "../../../src/model/webhooks/endpoint-settings.ts";
import { decodeBody, formOf } from "../../../src/model/webhooks/webhook-body.ts";
import { rulePayload, triggerPayload } from "../../../src/model/webhooks/webhook-payload.ts";
import type { JsonObject } from "../../../src/model/json/json.ts";

const bodyOf = (text: string, form: "json" | "form" | "text", field: string | null = null): unknown => {
  const decoded = decodeBody(Buffer.from(text), form, field);
  return decoded.kind === "valid" ? JSON.parse(JSON.stringify(decoded.value)) : decoded.problem;
};

test("the body is read as its content type says, unless the endpoint knows better", () => {
  expect(formOf("auto", "application/json; charset=utf-8")).toBe("json");
  expect(formOf("auto", "application/cloudevents+json")).toBe("json");
  expect(formOf("auto", "application/x-www-form-urlencoded")).toBe("form");
  expect(formOf("auto", "text/plain")).toBe("text");
  expect(formOf("auto", undefined)).toBe("json");
  expect(formOf("auto", "multipart/form-data; boundary=x")).toBeNull();
  expect(formOf("auto", "application/octet-stream")).toBeNull();
  // What curl -d sends.
  expect(formOf("json", "application/x-www-form-urlencoded")).toBe("json");
});

test("numbers keep their digits, forms their repeated fields, and text stays text", () => {
  const decoded = decodeBody(Buffer.from('{"id":2882429806056571124,"price":1.50}'), "json");
  expect(JSON.stringify(decoded.kind === "valid" ? decoded.value : null)).toBe(
    '{"id":2882429806056571124,"price":1.50}',
  );
  expect(bodyOf("a=1&b=x+y&a=2&%C3%BC=%26", "form")).toEqual({ a: ["1", "2"], b: "x y", ü: "&" });
  expect(bodyOf("__proto__=1", "form")).toEqual(JSON.parse('{"__proto__":"1"}'));
  expect(bodyOf("<a/>", "text")).toBe("<a/>");
  expect(bodyOf("", "json")).toBeNull();
});

test("GitHub's form carries JSON in its only field", () => {
  const form = `payload=${encodeURIComponent('{"ref":"refs/heads/main"}')}`;
  expect(bodyOf(form, "form", "payload")).toEqual({ ref: "refs/heads/main" });
  expect(bodyOf(`${form}&more=1`, "form", "payload")).toMatchObject({ more: "1" });
  expect(bodyOf(form, "form")).toMatchObject({ payload: '{"ref":"refs/heads/main"}' });
});

test("what is not UTF-8 or not JSON is refused with a reason", () => {
  expect(decodeBody(Buffer.from([0x22, 0xff, 0x22]), "json").kind).toBe("invalid");
  expect(bodyOf('{"a":', "json")).toContain("JSON");
  expect(bodyOf("[".repeat(600) + "]".repeat(600), "json")).toContain("500 levels");
});

function payloadWith(config: JsonObject, headers: Record<string, string>, query = ""): JsonObject {
  const decoded = decodeWebhookConfig(config);
  if (decoded.kind === "invalid") throw new Error("invalid");
  return rulePayload(
    {
      method: "POST",
      path: "a",
      query,
      headers,
      body: { n: 1 },
      deliveryId: "d1",
      remoteAddress: "192.0.2.1",
      receivedAt: "2026-01-01T00:00:00.000Z",
    },
    decoded.value,
  );
}

test("an event carries the headers of the message and none with a secret", () => {
  const payload = payloadWith(
    { preset: "gitlab", secret: "k" },
    {
      "content-type": "application/json",
      "user-agent": "GitLab",
      "x-gitlab-event": "Push Hook",
      "x-gitlab-token": "secret-1",
      authorization: "Basic secret-2",
      cookie: "session=secret-3",
      "x-api-key": "secret-4",
      "x-forwarded-for": "10.0.0.1",
      host: "agent",
      "content-length": "7",
    },
    "branch=main&branch=next&access_token=secret-5&hub.verify_token=secret-6&sig=secret-7",
  );
  expect(payload["headers"]).toEqual({
    "content-type": "application/json",
    "user-agent": "GitLab",
    "x-gitlab-event": "Push Hook",
  });
  expect(payload["query"]).toEqual({ branch: ["main", "next"] });
  expect(JSON.stringify(payload)).not.toContain("secret-");
});

test("a list of headers is exact, and never names a secret one", () => {
  const headers = { "x-a": "1", "x-b": "2", authorization: "secret", "x-webhook-signature": "s" };
  const payload = payloadWith({ headers: ["X-A", "Authorization", "x-webhook-signature"] }, headers);
  expect(payload["headers"]).toEqual({ "x-a": "1" });
  expect(payloadWith({ headers: [] }, headers)["headers"]).toEqual({});
});

test("a trigger's event is the body's payload, or the body", () => {
  expect(triggerPayload({ payload: { a: 1 }, source: "x" })).toEqual({ a: 1 });
  expect(triggerPayload({ a: 1 })).toEqual({ a: 1 });
  expect(triggerPayload({ payload: [1] })).toEqual({ value: [1] });
  expect(triggerPayload("text")).toEqual({ value: "text" });
  expect(triggerPayload({ payload: null })).toEqual({});
  expect(triggerPayload(null)).toEqual({});
});

test("challenges are recognised by what makes them challenges", () => {
  expect(slackChallenge({ type: "url_verification", challenge: "c1" })).toBe("c1");
  expect(slackChallenge({ type: "event_callback", challenge: "c1" })).toBeUndefined();
  expect(metaChallenge("hub.mode=subscribe&hub.challenge=5&hub.verify_token=t")).toEqual({
    verifyToken: "t",
    answer: "5",
  });
  expect(metaChallenge("hub.mode=subscribe&hub.challenge=5")).toBeUndefined();
});
