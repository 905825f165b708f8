/**
 * What a webhook's endpoint accepts and answers, decoded from the `trigger_params` of a `core.webhook` rule or from the
 * `webhook_config` of a trigger. docs/webhooks.md is the reference.
 *
 * Secrets are named by their refs in the key store and never appear here.
 */
import { isJsonArray, type JsonObject, type JsonValue } from "../json/json.ts";
import type { PlacedProblem } from "../placed-problem.ts";
import { shown } from "../schedules/param-reader.ts";
import { isNetworkText } from "./network-text.ts";
import { SettingFields, type DecodedSettings } from "./setting-fields.ts";
import { signatureOf } from "./signature-settings.ts";
import {
  challengeKinds,
  presetNames,
  presets,
  signatureDefaults,
  type ChallengeKind,
  type DeliveryIdSource,
  type SignatureScheme,
} from "./signature-scheme.ts";

export interface RateLimit {
  readonly requests: number;
  readonly seconds: number;
  /** What the limit is counted for: the endpoint, or each address that sends to it. */
  readonly per: (typeof rateLimitScopes)[number];
}

export const rateLimitScopes = ["endpoint", "address"] as const;

export interface Reply {
  readonly status: number;
  /** Null: the agent's own body. */
  readonly body: string | null;
  readonly contentType: string;
}

export const bodyForms = ["auto", "json", "form", "text"] as const;

/** How the body is read; `auto` follows its content type. */
export type BodyForm = (typeof bodyForms)[number];

export const webhookMethods = ["POST", "PUT", "PATCH", "DELETE", "GET"] as const;

export type WebhookMethod = (typeof webhookMethods)[number];

export interface EndpointSettings {
  /** Null: requests are not signed. */
  readonly scheme: SignatureScheme | null;
  /** Refs of keys. Any of their values is accepted. */
  readonly secretRefs: readonly string[];
  readonly bearerRefs: readonly string[];
  /** Their values are `user:password`. */
  readonly basicRefs: readonly string[];
  /** Names a client's certificate must have one of; empty: any trusted certificate; null: none is needed. */
  readonly certificateNames: readonly string[] | null;
  readonly deliveryId: DeliveryIdSource | null;
  /** Addresses and networks; empty: all. */
  readonly allowedNetworks: readonly string[];
  readonly bytesMax: number;
  readonly rateLimit: RateLimit | null;
  readonly bodyForm: BodyForm;
  readonly formField: string | null;
  /** Headers that events carry, in lower case; null: all that hold no secret. */
  readonly headers: readonly string[] | null;
  readonly reply: Reply | null;
  readonly challenge: ChallengeKind | null;
  /** What Meta must send as `hub.verify_token`. */
  readonly verifyTokenRefs: readonly string[];
}

export interface WebhookRoute {
  /** Without slashes at its ends. */
  readonly path: string;
  readonly methods: readonly WebhookMethod[];
  readonly settings: EndpointSettings;
}

export const bytesMaxDefault = 1_048_576;
/** GitHub sends at most 25 MiB. */
const bytesMaxLimit = 26_214_400;
const refsMax = 8;
const replyLengthMax = 65_536;

/** Keys of triggers begin with it, so no path does. */
export const webhookKeyPrefix = "wh_";

const settingNames = [
  "preset",
  "signature",
  "secret",
  "bearer",
  "basic",
  "client_certificate",
  "delivery_id_header",
  "delivery_id_field",
  "allow_from",
  "max_bytes",
  "rate_limit",
  "body",
  "headers",
  "reply",
  "challenge",
  "verify_token",
];

const routeNames = ["path", "method", "methods"];

/** From the `trigger_params` of a rule. */
export function decodeWebhookRoute(params: JsonObject): DecodedSettings<WebhookRoute> {
  const fields = new SettingFields();
  fields.refuseOthers(params, [...routeNames, ...settingNames], "");
  const path = pathOf(params["path"], fields);
  const methods = methodsOf(params, fields);
  const settings = settingsOf(params, fields);
  return fields.result({ path, methods, settings });
}

/** From the `webhook_config` of a trigger. */
export function decodeWebhookConfig(config: JsonObject): DecodedSettings<EndpointSettings> {
  const fields = new SettingFields();
  fields.refuseOthers(config, settingNames, "");
  return fields.result(settingsOf(config, fields));
}

/** Why a rule of `core.webhook` must not be saved with these params. */
export function webhookProblems(_triggerRef: string, params: JsonObject): readonly PlacedProblem[] {
  return placed(decodeWebhookRoute(params));
}

/** Why a trigger must not be saved with this `webhook_config`. */
export function webhookConfigProblems(config: JsonObject): readonly PlacedProblem[] {
  return placed(decodeWebhookConfig(config));
}

function placed(decoded: DecodedSettings<unknown>): readonly PlacedProblem[] {
  if (decoded.kind === "valid") return [];
  return decoded.problems.map(({ path, problem }) => ({ place: path.split("."), reason: problem }));
}

/** Whether anyone who knows the URL can send events. */
export function isOpen(settings: EndpointSettings): boolean {
  return (
    settings.scheme === null &&
    settings.bearerRefs.length === 0 &&
    settings.basicRefs.length === 0 &&
    settings.certificateNames === null
  );
}

/** All keys that an endpoint needs. */
export function keyRefsOf(settings: EndpointSettings): readonly string[] {
  const { secretRefs, bearerRefs, basicRefs, verifyTokenRefs } = settings;
  return [...new Set([...secretRefs, ...bearerRefs, ...basicRefs, ...verifyTokenRefs])];
}

function pathOf(value: JsonValue | undefined, fields: SettingFields): string {
  if (typeof value !== "string" || trimmedPath(value) === "") {
    fields.refuse("path", "is required: the part of the URL after /webhooks/");
    return "";
  }
  const path = trimmedPath(value);
  if (!/^[\w.~:@!$&'()*+,;=-]+(\/[\w.~:@!$&'()*+,;=-]+)*$/.test(path) || path.length > 255) {
    fields.refuse(
      "path",
      `must be 1 to 255 letters, digits and characters of a URL's path, without ?, #, % and //, not ${shown(value)}`,
    );
  } else if (path.startsWith(webhookKeyPrefix)) {
    fields.refuse("path", `must not begin with ${webhookKeyPrefix}, as the webhook keys of triggers do`);
  } else if (path.split("/").some((part) => part === "." || part === "..")) {
    fields.refuse("path", "must not contain . or .. between slashes");
  }
  return path;
}

/** Slashes at the ends mean nothing. */
export function trimmedPath(path: string): string {
  return path.replace(/^\/+/, "").replace(/\/+$/, "");
}

function methodsOf({ method, methods }: JsonObject, fields: SettingFields): readonly WebhookMethod[] {
  if (method !== undefined && methods !== undefined) fields.refuse("methods", "is another name of method");
  const name = methods === undefined ? "method" : "methods";
  const given = fields.texts(methods ?? method ?? "POST", name, webhookMethods.length);
  const known: WebhookMethod[] = [];
  for (const each of given) {
    const found = webhookMethods.find((word) => word === each.toUpperCase());
    if (found === undefined)
      fields.refuse(name, `must be among ${webhookMethods.join(", ")}, not ${shown(each)}`);
    else if (!known.includes(found)) known.push(found);
  }
  return known;
}

function settingsOf(given: JsonObject, fields: SettingFields): EndpointSettings {
  const presetName = fields.word(given["preset"], "preset", presetNames);
  const preset = presetName === null ? null : presets[presetName];
  const secretRefs = fields.texts(given["secret"], "secret", refsMax);
  const signature = fields.object(given["signature"], "signature");
  const isSigned = preset !== null || signature !== null || secretRefs.length > 0;
  const scheme = isSigned ? signatureOf(signature ?? {}, preset?.scheme ?? signatureDefaults, fields) : null;
  if (isSigned && secretRefs.length === 0)
    fields.refuse("secret", "is required with a preset or a signature: the ref of a key in the key store");
  const deliveryId = deliveryIdOf(given, fields) ?? preset?.deliveryId ?? null;
  if (scheme !== null && scheme.signed.includes("{id}") && deliveryId?.kind !== "header")
    fields.refuse("delivery_id_header", "is required because the signature covers {id}");
  const challenge = fields.word(given["challenge"], "challenge", challengeKinds) ?? preset?.challenge ?? null;
  const verifyTokenRefs = fields.texts(given["verify_token"], "verify_token", refsMax);
  if (challenge === "meta" && verifyTokenRefs.length === 0)
    fields.refuse("verify_token", "is required by the challenge meta: the ref of a key in the key store");
  return {
    scheme,
    secretRefs,
    bearerRefs: fields.texts(given["bearer"], "bearer", refsMax),
    basicRefs: fields.texts(given["basic"], "basic", refsMax),
    certificateNames: certificateNamesOf(given["client_certificate"], fields),
    deliveryId,
    allowedNetworks: networksOf(given["allow_from"], fields),
    bytesMax:
      fields.number(given["max_bytes"], "max_bytes", { least: 1, most: bytesMaxLimit, isWhole: true }) ??
      bytesMaxDefault,
    rateLimit: rateLimitOf(given["rate_limit"], fields),
    bodyForm: fields.word(given["body"], "body", bodyForms) ?? "auto",
    formField: preset?.formField ?? null,
    headers: headersOf(given["headers"], fields),
    reply: replyOf(given["reply"], fields),
    challenge,
    verifyTokenRefs,
  };
}

function deliveryIdOf(given: JsonObject, fields: SettingFields): DeliveryIdSource | null {
  const header = fields.header(given["delivery_id_header"], "delivery_id_header");
  if (header !== null) return { kind: "header", name: header };
  const field = fields.text(given["delivery_id_field"], "delivery_id_field", 255);
  if (field === null) return null;
  const path = field.replace(/^body\./, "").split(".");
  if (path.every((name) => name !== "")) return { kind: "body", path };
  fields.refuse(
    "delivery_id_field",
    `must be the path of a field of the body, like id or data.id, not ${shown(field)}`,
  );
  return null;
}

function certificateNamesOf(value: JsonValue | undefined, fields: SettingFields): readonly string[] | null {
  if (value === undefined || value === null || value === false) return null;
  if (value === true) return [];
  return fields.texts(value, "client_certificate");
}

function networksOf(value: JsonValue | undefined, fields: SettingFields): readonly string[] {
  const networks = fields.texts(value, "allow_from");
  for (const network of networks) {
    if (!isNetworkText(network))
      fields.refuse(
        "allow_from",
        `${JSON.stringify(network)} is no IP address and no network like 10.0.0.0/8`,
      );
  }
  return networks;
}

function rateLimitOf(value: JsonValue | undefined, fields: SettingFields): RateLimit | null {
  const given = fields.object(value, "rate_limit");
  if (given === null) return null;
  fields.refuseOthers(given, ["requests", "seconds", "per"], "rate_limit.");
  const requests = fields.number(given["requests"], "rate_limit.requests", {
    least: 1,
    most: 1_000_000,
    isWhole: true,
  });
  if (given["requests"] === undefined) fields.refuse("rate_limit.requests", "is required");
  const seconds = fields.number(given["seconds"], "rate_limit.seconds", {
    least: 1,
    most: 86_400,
    isWhole: false,
  });
  const per = fields.word(given["per"], "rate_limit.per", rateLimitScopes);
  return { requests: requests ?? 1, seconds: seconds ?? 60, per: per ?? "endpoint" };
}

function headersOf(value: JsonValue | undefined, fields: SettingFields): readonly string[] | null {
  if (value === undefined || value === null) return null;
  if (isJsonArray(value) && value.length === 0) return [];
  return fields.texts(value, "headers", 100).map((name) => name.toLowerCase());
}

function replyOf(value: JsonValue | undefined, fields: SettingFields): Reply | null {
  const given = fields.object(value, "reply");
  if (given === null) return null;
  fields.refuseOthers(given, ["status", "body", "content_type"], "reply.");
  const status = fields.number(given["status"], "reply.status", { least: 200, most: 299, isWhole: true });
  const { body } = given;
  const isText = typeof body === "string";
  const text = body === undefined || body === null ? null : isText ? body : JSON.stringify(body);
  if (text !== null && text.length > replyLengthMax)
    fields.refuse("reply.body", `must have at most ${replyLengthMax} characters`);
  const contentType = fields.text(given["content_type"], "reply.content_type", 128);
  if (contentType !== null && !/^[\w.+-]+\/[\w.+-]+(; *[\w-]+=[\w.-]+)*$/.test(contentType))
    fields.refuse("reply.content_type", `must be a media type like text/plain, not ${shown(contentType)}`);
  return {
    status: status ?? 200,
    body: text,
    contentType: contentType ?? (isText ? "text/plain; charset=utf-8" : "application/json; charset=utf-8"),
  };
}
