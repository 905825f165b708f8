/** Requests by which a provider checks that the endpoint belongs to the person who registered it. */
import { isJsonObject, type JsonValue } from "../json/json.ts";
import { pairsOf } from "./webhook-body.ts";

/** The answer that Slack's `url_verification` expects; undefined for any other body. */
export function slackChallenge(body: JsonValue): string | undefined {
  if (!isJsonObject(body) || body["type"] !== "url_verification") return undefined;
  const { challenge } = body;
  return typeof challenge === "string" ? challenge : undefined;
}

export interface MetaChallenge {
  readonly verifyToken: string;
  readonly answer: string;
}

/** Undefined: the query is no subscription of Meta's. */
export function metaChallenge(query: string): MetaChallenge | undefined {
  const {
    "hub.mode": mode,
    "hub.verify_token": verifyToken,
    "hub.challenge": answer,
  } = pairsOf(query) as Partial<Record<string, string | readonly string[]>>;
  if (mode !== "subscribe" || typeof verifyToken !== "string" || typeof answer !== "string") return undefined;
  return { verifyToken, answer };
}
