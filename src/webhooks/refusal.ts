/** Why a request to a webhook is not accepted. */
/** The reason goes to the log, the sentence to the sender. */
export interface WebhookRefusal {
  readonly status: 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422 | 429 | 503 | 504;
  readonly reason: string;
  readonly sentence: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Ends the handling of a request. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly refusal: WebhookRefusal;

  constructor(refusal: WebhookRefusal) {
    super(refusal.sentence);
    this.refusal = refusal;
  }
}

export function unknownEndpoint(): Refused {
  return new Refused({
    status: 404,
    reason: "unknown_endpoint",
    sentence: "There is no webhook at this address. Check the URL in the sender's settings.",
  });
}

export function otherMethod(allowed: readonly string[]): Refused {
  const allow = allowed.join(", ");
  return new Refused({
    status: 405,
    reason: "method",
    sentence: `This webhook answers ${allow} only.`,
    headers: { allow },
  });
}

export function tooLarge(status: 400 | 413, bytesMax: number): Refused {
  return new Refused({
    status,
    reason: "size",
    sentence: `The body is larger than ${bytesMax} bytes.`,
  });
}

export function noRoom(): Refused {
  return new Refused({
    status: 503,
    reason: "no_room",
    sentence: "The event was not stored and will not be; send it again later.",
  });
}

export function secretMissing(): Refused {
  return new Refused({
    status: 503,
    reason: "secret_missing",
    sentence: "The webhook's secret is not in the key store.",
  });
}

export function unauthorized(reason: string, sentence: string, challenge?: string): Refused {
  const headers = challenge === undefined ? {} : { "www-authenticate": challenge };
  return new Refused({ status: 401, reason, sentence, headers });
}
