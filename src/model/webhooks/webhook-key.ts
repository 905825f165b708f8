/**
 * Which keys may check the requests of a webhook.
 *
 * The sensors of a pack read and write the keys that one of them created, even after an admin has written to them. So such a key is
 * no secret for webhooks outside the pack. A key that an admin created is one, even if a sensor owns it: that was the admin's choice.
 */
import type { Endpoint } from "./endpoint-table.ts";

export interface WebhookKey {
  readonly ref: string;
  /** Of the sensor that created it; null: an admin did. */
  readonly creatorPackRef: string | null;
}

export function isSecretOf(
  { packRefs }: Pick<Endpoint, "packRefs">,
  { creatorPackRef }: Pick<WebhookKey, "creatorPackRef">,
): boolean {
  return creatorPackRef === null || packRefs.every((packRef) => packRef === creatorPackRef);
}

/** Why a key cannot check an endpoint's requests; undefined: it can. */
export function keyProblem(
  endpoint: Pick<Endpoint, "packRefs">,
  key: WebhookKey | undefined,
): string | undefined {
  if (key === undefined) return "does not exist";
  if (isSecretOf(endpoint, key)) return undefined;
  return `was created by a sensor of the pack ${key.creatorPackRef ?? ""}, which could make such requests`;
}
