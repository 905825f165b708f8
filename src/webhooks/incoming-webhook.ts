/** A request to a webhook, as the API passes it on. */
export interface IncomingWebhook {
  readonly requestId: string;
  readonly method: string;
  /** After `/webhooks/`. */
  readonly path: string;
  /** All of it, without the query. */
  readonly fullPath: string;
  /** Without the question mark. */
  readonly query: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Of the sender, as far as trusted proxies tell. */
  readonly remoteAddress: string;
  /** Names of the client's trusted certificate; null: it has none. */
  readonly certificateNames: readonly string[] | null;
  /** As announced; null: unknown. */
  readonly bodyBytes: number | null;
  /**
   * Call it once.
   *
   * @param isRefused the request is refused whatever its body holds
   */
  readBody(bytesMax: number, isRefused: boolean): Promise<ReadBody>;
}

export type ReadBody =
  | { readonly kind: "read"; readonly bytes: Uint8Array }
  | { readonly kind: "too large" }
  /** Too many bodies are being read. */
  | { readonly kind: "no room" }
  /** The connection broke. */
  | { readonly kind: "incomplete" };
