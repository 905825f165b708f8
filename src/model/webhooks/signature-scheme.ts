/**
 * How a sender signs its requests, as data: where the signature is, what it covers and how it is written.
 *
 * Each preset follows the provider's documentation. A scheme with a timestamp limits how long a copied request can be used
 * again; one without, such as GitHub's, cannot.
 */

export const signatureAlgorithms = ["sha256", "sha1", "sha384", "sha512", "token"] as const;

/** An HMAC with that hash; `token`: the header carries the secret itself. */
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number];

export const signatureEncodings = ["hex", "base64"] as const;

export const timestampUnits = ["seconds", "milliseconds"] as const;

export const secretEncodings = ["text", "base64", "hex"] as const;

export type TimestampSource =
  | { readonly kind: "header"; readonly name: string }
  /** A part `name=…` of the signature's header. */
  | { readonly kind: "part"; readonly name: string };

export interface SignatureScheme {
  readonly algorithm: SignatureAlgorithm;
  /** Header that carries the signature, in lower case. */
  readonly header: string;
  /** Text before each signature. */
  readonly prefix: string;
  /** Between several signatures in one header; null: the header is one signature. */
  readonly separator: string | null;
  readonly encoding: (typeof signatureEncodings)[number];
  /** What is signed. `{body}`, `{timestamp}`, `{id}`, `{method}` and `{path}` stand for parts of the request. */
  readonly signed: string;
  readonly timestamp: TimestampSource | null;
  readonly timestampUnit: (typeof timestampUnits)[number];
  /** How far the timestamp may be from the agent's clock, in either direction. */
  readonly toleranceSeconds: number;
  readonly secretEncoding: (typeof secretEncodings)[number];
  /** Removed from the beginning of a secret, if it is there. */
  readonly secretPrefix: string;
}

/** Where a request carries its sender's id of the delivery, which is the same when the sender repeats it. */
export type DeliveryIdSource =
  | { readonly kind: "header"; readonly name: string }
  /** Names of the members that lead to it in the body. */
  | { readonly kind: "body"; readonly path: readonly string[] };

export const challengeKinds = ["slack", "meta"] as const;

/** Requests that only ask whether the endpoint belongs to its owner. */
export type ChallengeKind = (typeof challengeKinds)[number];

export interface Preset {
  readonly scheme: SignatureScheme;
  readonly deliveryId: DeliveryIdSource | null;
  readonly challenge: ChallengeKind | null;
  /** Field of a form that carries the JSON body. */
  readonly formField: string | null;
}

export const signatureDefaults: SignatureScheme = {
  algorithm: "sha256",
  header: "x-webhook-signature",
  prefix: "sha256=",
  separator: null,
  encoding: "hex",
  signed: "{body}",
  timestamp: null,
  timestampUnit: "seconds",
  toleranceSeconds: 300,
  secretEncoding: "text",
  secretPrefix: "",
};

export const presetNames = [
  "github",
  "gitlab",
  "stripe",
  "slack",
  "shopify",
  "meta",
  "standard-webhooks",
] as const;

export type PresetName = (typeof presetNames)[number];

export const presets: Readonly<Record<PresetName, Preset>> = {
  github: {
    scheme: { ...signatureDefaults, header: "x-hub-signature-256" },
    deliveryId: { kind: "header", name: "x-github-delivery" },
    challenge: null,
    formField: "payload",
  },
  gitlab: {
    scheme: { ...signatureDefaults, algorithm: "token", header: "x-gitlab-token", prefix: "" },
    // X-Gitlab-Event-UUID is shared by hooks that trigger each other.
    deliveryId: { kind: "header", name: "idempotency-key" },
    challenge: null,
    formField: null,
  },
  stripe: {
    scheme: {
      ...signatureDefaults,
      header: "stripe-signature",
      // v0 is for Stripe's test events only.
      prefix: "v1=",
      separator: ",",
      signed: "{timestamp}.{body}",
      timestamp: { kind: "part", name: "t" },
    },
    deliveryId: { kind: "body", path: ["id"] },
    challenge: null,
    formField: null,
  },
  slack: {
    scheme: {
      ...signatureDefaults,
      header: "x-slack-signature",
      prefix: "v0=",
      signed: "v0:{timestamp}:{body}",
      timestamp: { kind: "header", name: "x-slack-request-timestamp" },
    },
    deliveryId: { kind: "body", path: ["event_id"] },
    challenge: "slack",
    formField: "payload",
  },
  shopify: {
    scheme: { ...signatureDefaults, header: "x-shopify-hmac-sha256", prefix: "", encoding: "base64" },
    // X-Shopify-Event-Id is shared by webhooks of several topics.
    deliveryId: { kind: "header", name: "x-shopify-webhook-id" },
    challenge: null,
    formField: null,
  },
  meta: {
    scheme: { ...signatureDefaults, header: "x-hub-signature-256" },
    deliveryId: null,
    challenge: "meta",
    formField: null,
  },
  "standard-webhooks": {
    scheme: {
      ...signatureDefaults,
      header: "webhook-signature",
      prefix: "v1,",
      separator: " ",
      encoding: "base64",
      signed: "{id}.{timestamp}.{body}",
      timestamp: { kind: "header", name: "webhook-timestamp" },
      secretEncoding: "base64",
      secretPrefix: "whsec_",
    },
    deliveryId: { kind: "header", name: "webhook-id" },
    challenge: null,
    formField: null,
  },
};

const placeholder = /\{(body|timestamp|id|method|path)\}/g;

export type SignedPart = "body" | "timestamp" | "id" | "method" | "path" | { readonly text: string };

/** The parts of a `signed` template, in order. */
export function signedParts(signed: string): readonly SignedPart[] {
  const parts: SignedPart[] = [];
  let end = 0;
  for (const match of signed.matchAll(placeholder)) {
    if (match.index > end) parts.push({ text: signed.slice(end, match.index) });
    parts.push(placeholderName(match[1] ?? ""));
    end = match.index + match[0].length;
  }
  if (end < signed.length) parts.push({ text: signed.slice(end) });
  return parts;
}

function placeholderName(name: string): SignedPart {
  return name === "body" || name === "timestamp" || name === "id" || name === "method" || name === "path"
    ? name
    : { text: name };
}
