/**
 * Each preset against signatures that others made: the providers' published examples, and the library of Standard Webhooks as
 * an oracle. Where a provider publishes no example, the signature is made as its documentation says.
 */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { Webhook } from "standardwebhooks";
import { expect, test } from "vitest";
import type { JsonObject } from "../../../src/model/json/json.ts";
import { decodeWebhookRoute, type EndpointSettings } from "../../../src/model/webhooks/endpoint-settings.ts";
import {
  checkSignature,
  dedupKeyOf,
  deliveryIdOfBody,
  deliveryIdOfHeaders,
  isDeliveryIdSigned,
  secretBytes,
  type SignatureVerdict,
} from "../../../src/model/webhooks/signature-check.ts";
import { nodeSigner } from "../../../src/webhooks/node-signer.ts";

const wrong: SignatureVerdict = { kind: "refused", reason: "signature_wrong" };

function settingsOf(params: JsonObject): EndpointSettings {
  const decoded = decodeWebhookRoute({ path: "hook", secret: "some.key", ...params });
  if (decoded.kind === "invalid") throw new Error(JSON.stringify(decoded.problems));
  return decoded.value.settings;
}

interface Given {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
  readonly secrets: readonly string[];
  readonly nowSeconds?: number;
}

function check(params: JsonObject, { headers, body, secrets, nowSeconds = 0 }: Given): SignatureVerdict {
  const { scheme, deliveryId } = settingsOf(params);
  if (scheme === null) throw new Error("no scheme");
  const request = { method: "POST", path: "/webhooks/hook", headers, body: Buffer.from(body) };
  const bytes = secrets.flatMap((secret) => secretBytes(secret, scheme) ?? []);
  const id = deliveryIdOfHeaders(deliveryId, headers);
  return checkSignature(scheme, bytes, request, id, nowSeconds * 1_000, nodeSigner);
}

const hmac = (secret: string, text: string, encoding: "hex" | "base64" = "hex"): string =>
  createHmac("sha256", secret).update(text).digest(encoding);

test("GitHub's published example is accepted, and not with another body or secret", () => {
  const given = {
    headers: {
      "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    },
    body: "Hello, World!",
    secrets: ["It's a Secret to Everybody"],
  };
  expect(check({ preset: "github" }, given)).toEqual({ kind: "valid", nonces: [] });
  expect(check({ preset: "github" }, { ...given, body: "Hello, World?" })).toEqual(wrong);
  expect(check({ preset: "github" }, { ...given, secrets: ["another"] })).toEqual(wrong);
  // SHA-1 is what GitHub also sends, in X-Hub-Signature; it is not looked at.
  const old = `sha1=${createHmac("sha1", "s").update("x").digest("hex")}`;
  const sha1 = { headers: { "x-hub-signature": old }, body: "x", secrets: ["s"] };
  expect(check({ preset: "github" }, sha1)).toEqual({ kind: "refused", reason: "signature_missing" });
});

const slackBody =
  "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
  "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
  "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
  "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

test("Slack's published example is accepted for five minutes", () => {
  const given = {
    headers: {
      "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
      "x-slack-request-timestamp": "1531420618",
    },
    body: slackBody,
    secrets: ["8f742231b10e8888abcd99yyyzzz85a5"],
    nowSeconds: 1_531_420_618,
  };
  expect(check({ preset: "slack" }, given)).toMatchObject({ kind: "valid", nonces: [expect.any(String)] });
  for (const seconds of [-300, 300])
    expect(check({ preset: "slack" }, { ...given, nowSeconds: given.nowSeconds + seconds }).kind).toBe(
      "valid",
    );
  for (const seconds of [-301, 301, 86_400])
    expect(check({ preset: "slack" }, { ...given, nowSeconds: given.nowSeconds + seconds })).toEqual({
      kind: "refused",
      reason: "timestamp_outside",
    });
});

test("a fresh timestamp cannot be put in front of an old signature", () => {
  const headers = {
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    "x-slack-request-timestamp": "1531420619",
  };
  const given = { headers, body: slackBody, secrets: ["8f742231b10e8888abcd99yyyzzz85a5"] };
  expect(check({ preset: "slack" }, { ...given, nowSeconds: 1_531_420_619 })).toEqual(wrong);
});

test("the published example of Standard Webhooks is accepted", () => {
  const given = {
    headers: {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    },
    body: '{"test": 2432232314}',
    secrets: ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    nowSeconds: 1_614_265_330,
  };
  const preset = { preset: "standard-webhooks" };
  expect(check(preset, given)).toMatchObject({ kind: "valid" });
  const renamed = { ...given, headers: { ...given.headers, "webhook-id": "msg_other" } };
  expect(check(preset, renamed)).toEqual(wrong);
  expect(isDeliveryIdSigned(settingsOf(preset).scheme, settingsOf(preset).deliveryId)).toBe(true);
});

// Goal: the preset accepts what the library of Standard Webhooks signs, and nothing else.
// Method: random secrets, ids, times and bodies; the library signs them, and a byte is changed.
test("what the library of Standard Webhooks signs is accepted, and nothing that was changed", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 24, maxLength: 64 }),
      fc.stringMatching(/^[\w.-]{1,40}$/),
      fc.integer({ min: 1, max: 4_000_000_000 }),
      fc.string({ unit: "grapheme", maxLength: 200 }),
      fc.boolean(),
      (key, id, seconds, body, isRotating) => {
        const secret = `whsec_${Buffer.from(key).toString("base64")}`;
        const signature = new Webhook(secret).sign(id, new Date(seconds * 1_000), body);
        const headers = {
          "webhook-id": id,
          "webhook-timestamp": String(seconds),
          "webhook-signature": isRotating ? `v1a,bm9uc2Vuc2U= v1,AAAA ${signature}` : signature,
        };
        const secrets = isRotating ? ["whsec_b3RoZXI=", secret] : [secret];
        const given = { headers, body, secrets, nowSeconds: seconds + 60 };
        expect(check({ preset: "standard-webhooks" }, given).kind).toBe("valid");
        expect(check({ preset: "standard-webhooks" }, { ...given, body: `${body} ` })).toEqual(wrong);
        expect(check({ preset: "standard-webhooks" }, { ...given, secrets: ["whsec_b3RoZXI="] })).toEqual(
          wrong,
        );
      },
    ),
  );
});

test("signatures made by the providers' own libraries are accepted", () => {
  const body = '{"id":"evt_1","object":"event","text":"é🎉"}';
  // stripe 23.1.0: webhooks.generateTestHeaderString
  const stripe = {
    headers: {
      "stripe-signature": "t=1700000000,v1=11ed3ca90f2c6a175f55dc21b7c6fe9b47e77e68cfd3b6a7b1e11b5997980e2c",
    },
    body,
    secrets: ["whsec_test_secret"],
    nowSeconds: 1_700_000_000,
  };
  expect(check({ preset: "stripe" }, stripe).kind).toBe("valid");
  // @octokit/webhooks-methods 6.0.0: sign
  const github = {
    headers: {
      "x-hub-signature-256": "sha256=b62eb00fedb0be44e9f89c2ca5756e6417892780d0fafd92d865e7eb61392352",
    },
    body,
    secrets: ["It's a Secret to Everybody"],
  };
  expect(check({ preset: "github" }, github).kind).toBe("valid");
});

test("Stripe's header is read with its timestamp and all its v1 signatures, and without v0", () => {
  const body = '{"id":"evt_1","type":"charge.succeeded"}';
  const signature = hmac("whsec_stripe", `1700000000.${body}`);
  const header = (text: string): Given => ({
    headers: { "stripe-signature": text },
    body,
    secrets: ["whsec_stripe"],
    nowSeconds: 1_700_000_100,
  });
  const preset = { preset: "stripe" };
  expect(check(preset, header(`t=1700000000,v1=${signature},v0=00`)).kind).toBe("valid");
  // While a secret is replaced, Stripe signs with both.
  expect(check(preset, header(`t=1700000000,v1=${"0".repeat(64)},v1=${signature}`)).kind).toBe("valid");
  expect(check(preset, header(`t=1700000000,v0=${signature}`)).kind).toBe("refused");
  expect(check(preset, header(`t=1700000001,v1=${signature}`))).toEqual(wrong);
  expect(check(preset, header(`v1=${signature}`))).toEqual({ kind: "refused", reason: "timestamp_missing" });
  // Stripe's secret is used as it is written, prefix included.
  expect(deliveryIdOfBody(settingsOf(preset).deliveryId, { id: "evt_1" })).toBe("evt_1");
});

test("Shopify's signature is base64, and GitLab's token is the secret itself", () => {
  const body = '{"order":1}';
  const shopify = { "x-shopify-hmac-sha256": hmac("shpss_1", body, "base64"), "x-shopify-webhook-id": "w1" };
  expect(check({ preset: "shopify" }, { headers: shopify, body, secrets: ["shpss_1"] }).kind).toBe("valid");
  expect(check({ preset: "shopify" }, { headers: shopify, body: "{}", secrets: ["shpss_1"] })).toEqual(wrong);
  const gitlab = (token: string): Given => ({ headers: { "x-gitlab-token": token }, body, secrets: ["t1"] });
  expect(check({ preset: "gitlab" }, gitlab("t1"))).toEqual({ kind: "valid", nonces: [] });
  for (const token of ["t", "t1 ", "T1", "t11"])
    expect(check({ preset: "gitlab" }, gitlab(token))).toEqual(wrong);
});

test("a scheme of one's own may sign method, path, id and time, in milliseconds and with SHA-512", () => {
  const params = {
    delivery_id_header: "X-Id",
    signature: {
      algorithm: "sha512",
      header: "X-Sig",
      prefix: "",
      encoding: "base64",
      signed: "{method} {path}\n{id}\n{timestamp}\n{body}",
      timestamp_header: "X-Time",
      timestamp_unit: "milliseconds",
      tolerance: 10,
    },
  };
  const text = "POST /webhooks/hook\n7\n1700000000123\nhello";
  const signature = createHmac("sha512", "s").update(text).digest("base64");
  const given = {
    headers: { "x-sig": signature, "x-time": "1700000000123", "x-id": "7" },
    body: "hello",
    secrets: ["s"],
    nowSeconds: 1_700_000_009,
  };
  expect(check(params, given).kind).toBe("valid");
  expect(check(params, { ...given, nowSeconds: 1_700_000_011 }).kind).toBe("refused");
});

test("one signature written in two ways has one nonce", () => {
  const params = { signature: { timestamp_header: "T", signed: "{timestamp}{body}", prefix: "" } };
  const signature = hmac("s", "5x");
  const nonces = [signature, signature.toUpperCase(), ` ${signature} `].map((text) => {
    const verdict = check(params, {
      headers: { "x-webhook-signature": text, t: "5" },
      body: "x",
      secrets: ["s"],
    });
    return verdict.kind === "valid" ? verdict.nonces[0] : verdict;
  });
  expect(new Set(nonces).size).toBe(1);
  expect(nonces[0]).toBe(createHmac("sha256", "s").update("5x").digest("base64url"));
});

test("the body is signed as it arrived, whatever bytes it has", () => {
  const body = Buffer.from([0x7b, 0xff, 0x00, 0x0d, 0x0a, 0x7d]);
  const signature = `sha256=${createHmac("sha256", "s").update(body).digest("hex")}`;
  const given = { headers: { "x-webhook-signature": signature }, body, secrets: ["s"] };
  expect(check({}, given).kind).toBe("valid");
});

test("no secret, an empty one and one that is not written as the scheme says sign nothing", () => {
  const base64 = { secretPrefix: "whsec_", secretEncoding: "base64" } as const;
  expect(secretBytes("whsec_", base64)).toBeUndefined();
  expect(secretBytes("whsec_nonsense!", base64)).toBeUndefined();
  expect(secretBytes("", { secretPrefix: "", secretEncoding: "text" })).toBeUndefined();
  const headers = { "x-webhook-signature": `sha256=${hmac("", "x")}` };
  expect(check({}, { headers, body: "x", secrets: [] })).toEqual(wrong);
});

test("two equal bodies are two events; a delivery is recognised by its id, or else by its signed time", () => {
  expect(dedupKeyOf("rule_1", null, null)).toBeNull();
  expect(dedupKeyOf("rule_1", "d1", "n1")).toBe("webhook/rule_1/id/d1");
  expect(dedupKeyOf("rule_1", null, "n1")).toBe("webhook/rule_1/signature/n1");
  expect(dedupKeyOf("rule_2", "d1", null)).not.toBe(dedupKeyOf("rule_1", "d1", null));
});

test("ids are read from bodies as they are written, and unusable ones are none", () => {
  const source = { kind: "body", path: ["event", "id"] } as const;
  expect(deliveryIdOfBody(source, { event: { id: 42 } })).toBe("42");
  expect(deliveryIdOfBody(source, { event: { id: { no: "id" } } })).toBeNull();
  expect(deliveryIdOfBody(source, { event: [] })).toBeNull();
  expect(deliveryIdOfHeaders({ kind: "header", name: "x-id" }, { "x-id": "x".repeat(257) })).toBeNull();
  expect(deliveryIdOfHeaders({ kind: "header", name: "x-id" }, { "x-id": "a\u0000b" })).toBeNull();
});
