/**
 * Whether a request was signed with one of the endpoint's secrets, and when.
 *
 * The signature is checked before the timestamp, so that only someone with the secret learns more than "not valid". All secrets
 * are tried against all signatures; the time it takes says nothing about how much of one was right.
 */
import { Buffer } from "node:buffer";
import type { JsonValue } from "../json/json.ts";
import { isJsonObject } from "../json/json.ts";
import {
  signedParts,
  type DeliveryIdSource,
  type SignatureAlgorithm,
  type SignatureScheme,
  type SignedPart,
} from "./signature-scheme.ts";

/** What cryptography the check needs; see src/webhooks/node-signer.ts. */
export interface Signer {
  hmac(
    algorithm: Exclude<SignatureAlgorithm, "token">,
    secret: Uint8Array,
    parts: readonly Uint8Array[],
  ): Uint8Array;
  /** In a time that does not depend on where they differ. */
  isEqual(one: Uint8Array, other: Uint8Array): boolean;
}

export interface SignedRequest {
  readonly method: string;
  /** As requested, without the query. */
  readonly path: string;
  /** By names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** As received: parsing and writing it again would change the signature. */
  readonly body: Uint8Array;
}

export type SignatureVerdict =
  /**
   * `nonces` are the valid signatures of a scheme with timestamps, which differ for each request; none for other schemes. A
   * sender that changes its secret makes two of them.
   */
  | { readonly kind: "valid"; readonly nonces: readonly string[] }
  | {
      readonly kind: "refused";
      readonly reason: "signature_missing" | "signature_wrong" | "timestamp_missing" | "timestamp_outside";
    };

/** More candidates than any sender needs while it replaces its secret. */
const candidatesMax = 16;

export function checkSignature(
  scheme: SignatureScheme,
  secrets: readonly Uint8Array[],
  request: SignedRequest,
  deliveryId: string | null,
  nowMs: number,
  signer: Signer,
): SignatureVerdict {
  const header = request.headers[scheme.header];
  if (header === undefined || header === "") return { kind: "refused", reason: "signature_missing" };
  if (scheme.algorithm === "token") return checkToken(secrets, withoutPrefix(header, scheme), signer);

  const timestamp = timestampOf(scheme, request, header);
  if (timestamp === undefined) return { kind: "refused", reason: "timestamp_missing" };
  const candidates = candidatesOf(scheme, header);
  if (candidates.length === 0) return { kind: "refused", reason: "signature_missing" };
  const parts = signedParts(scheme.signed).map((part) => bytesOf(part, request, timestamp, deliveryId));
  // Not the header's texts: one signature can be written in several ways.
  const matching = new Set<string>();
  for (const secret of secrets) {
    const expected = signer.hmac(scheme.algorithm, secret, parts);
    for (const candidate of candidates) {
      if (candidate.length === expected.length && signer.isEqual(candidate, expected))
        matching.add(Buffer.from(expected).toString("base64url"));
    }
  }
  if (matching.size === 0) return { kind: "refused", reason: "signature_wrong" };
  if (timestamp === null) return { kind: "valid", nonces: [] };
  const sentMs = Number(timestamp) * (scheme.timestampUnit === "seconds" ? 1_000 : 1);
  if (Math.abs(nowMs - sentMs) > scheme.toleranceSeconds * 1_000)
    return { kind: "refused", reason: "timestamp_outside" };
  return { kind: "valid", nonces: [...matching] };
}

function checkToken(secrets: readonly Uint8Array[], token: string, signer: Signer): SignatureVerdict {
  const isValid = matchesAny(token, secrets, signer);
  return isValid ? { kind: "valid", nonces: [] } : { kind: "refused", reason: "signature_wrong" };
}

/** Compares hashes, so that the time does not show the length of a secret either. */
export function matchesAny(given: string, secrets: readonly Uint8Array[], signer: Signer): boolean {
  const hash = (bytes: Uint8Array): Uint8Array => signer.hmac("sha256", comparisonKey, [bytes]);
  const hashed = hash(Buffer.from(given));
  let isFound = false;
  for (const secret of secrets) {
    if (signer.isEqual(hash(secret), hashed)) isFound = true;
  }
  return isFound;
}

const comparisonKey = Buffer.from("comparison");

/** Null: the scheme has none; undefined: it is missing or no number. */
function timestampOf(
  { timestamp, separator }: SignatureScheme,
  { headers }: SignedRequest,
  signatureHeader: string,
): string | null | undefined {
  if (timestamp === null) return null;
  const text =
    timestamp.kind === "header"
      ? headers[timestamp.name]
      : signatureHeader
          .split(separator ?? ",")
          .map((part) => part.trim())
          .find((part) => part.startsWith(`${timestamp.name}=`))
          ?.slice(timestamp.name.length + 1);
  return text !== undefined && /^\d{1,15}$/.test(text) ? text : undefined;
}

function candidatesOf(scheme: SignatureScheme, header: string): readonly Uint8Array[] {
  const { prefix, separator, encoding } = scheme;
  const texts = separator === null ? [header] : header.split(separator, 4 * candidatesMax);
  return texts
    .map((text) => text.trim())
    .filter((text) => text.startsWith(prefix) && text.length > prefix.length)
    .slice(0, candidatesMax)
    .map((text) => Buffer.from(text.slice(prefix.length), encoding));
}

function withoutPrefix(header: string, { prefix }: SignatureScheme): string {
  return header.startsWith(prefix) ? header.slice(prefix.length) : header;
}

function bytesOf(
  part: SignedPart,
  { method, path, body }: SignedRequest,
  timestamp: string | null,
  deliveryId: string | null,
): Uint8Array {
  switch (part) {
    case "body":
      return body;
    case "timestamp":
      return Buffer.from(timestamp ?? "");
    case "id":
      return Buffer.from(deliveryId ?? "");
    case "method":
      return Buffer.from(method);
    case "path":
      return Buffer.from(path);
    default:
      return Buffer.from(part.text);
  }
}

/** The bytes of a secret as it is kept in the key store; undefined: it is not written as the scheme says. */
export function secretBytes(
  secret: string,
  { secretPrefix, secretEncoding }: Pick<SignatureScheme, "secretPrefix" | "secretEncoding">,
): Uint8Array | undefined {
  const text = secret.startsWith(secretPrefix) ? secret.slice(secretPrefix.length) : secret;
  if (text === "") return undefined;
  if (secretEncoding === "text") return Buffer.from(text);
  const isEncoded =
    secretEncoding === "hex" ? /^([0-9a-fA-F]{2})+$/.test(text) : /^[A-Za-z0-9+/_-]+={0,2}$/.test(text);
  return isEncoded ? Buffer.from(text, secretEncoding) : undefined;
}

/** Longer ids are not looked at. */
const deliveryIdLengthMax = 256;

/** The sender's id in a header; null: it sent none, or it is in the body. */
export function deliveryIdOfHeaders(
  source: DeliveryIdSource | null,
  headers: SignedRequest["headers"],
): string | null {
  return source?.kind === "header" ? usableId(headers[source.name]) : null;
}

/** The sender's id in the parsed body; null: it sent none, or it is in a header. */
export function deliveryIdOfBody(source: DeliveryIdSource | null, body: JsonValue): string | null {
  if (source?.kind !== "body") return null;
  let found: JsonValue | undefined = body;
  for (const name of source.path) found = isJsonObject(found) ? found[name] : undefined;
  if (typeof found === "string") return usableId(found);
  return typeof found === "number" || (typeof found === "object" && found !== null && "text" in found)
    ? usableId(JSON.stringify(found))
    : null;
}

function usableId(id: string | undefined): string | null {
  if (id === undefined || id === "" || id.length > deliveryIdLengthMax) return null;
  return /^[\u0020-\u007e]+$/.test(id) ? id : null;
}

/** Whether nobody but the sender can change the delivery's id. */
export function isDeliveryIdSigned(scheme: SignatureScheme | null, source: DeliveryIdSource | null): boolean {
  if (scheme === null || scheme.algorithm === "token" || source === null) return false;
  return source.kind === "body" || signedParts(scheme.signed).includes("id");
}

/**
 * By what a repeated request is recognised: the sender's id, or else the signature with its timestamp. Never the body alone:
 * two equal events are two events. Null: every request is a new one.
 *
 * @param target whom the event is for, for example `rule_12`
 */
export function dedupKeyOf(target: string, deliveryId: string | null, nonce: string | null): string | null {
  if (deliveryId !== null) return `webhook/${target}/id/${deliveryId}`;
  return nonce === null ? null : `webhook/${target}/signature/${nonce}`;
}
