import { createHmac, timingSafeEqual } from "node:crypto";
import type { Signer } from "../model/webhooks/signature-check.ts";

/** Node's cryptography. */
export const nodeSigner: Signer = {
  hmac(algorithm, secret, parts) {
    const hmac = createHmac(algorithm, secret);
    for (const part of parts) hmac.update(part);
    return hmac.digest();
  },
  isEqual: (one, other) => timingSafeEqual(one, other),
};
