/** Queries the local agent over HTTP. */
import { request, type ClientRequest, type IncomingMessage } from "node:http";
import { listeners, type Listener } from "../../config/listeners.ts";
import type { Config } from "../../config/schema.ts";
import { messageOf } from "../../errors/caught.ts";

const answerTimeoutMs = 5_000;

/** Wildcard listen addresses, and the loopback address to reach each by. */
const loopbackFor: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "[::1]"],
]);

export type AgentAnswer =
  | {
      readonly kind: "answered";
      readonly url: string;
      readonly isOk: boolean;
      readonly status: number;
      readonly contentType: string | null;
      readonly body: string;
    }
  | { readonly kind: "silent"; readonly url: string; readonly reason: string }
  /** Its listeners are disabled or use a random port. */
  | { readonly kind: "unaskable" };

/** The configured listeners with a fixed port; the first is the one to query. */
export function askableListeners(config: Pick<Config, "api" | "metrics">): readonly Listener[] {
  return listeners(config).filter(({ port }) => port !== 0);
}

/**
 * @param listener undefined if no listener has a fixed port
 * @param bytesMax a longer answer is rejected, because it is not an agent's
 */
export async function askAgent(
  listener: Listener | undefined,
  path: string,
  bytesMax: number,
): Promise<AgentAnswer> {
  if (listener === undefined) return { kind: "unaskable" };
  const { host: bound, port, tls } = listener;
  const host = loopbackFor.get(bound) ?? (bound.includes(":") ? `[${bound}]` : bound);
  const url = `${tls === undefined ? "http" : "https"}://${host}:${port}${path}`;
  try {
    return { kind: "answered", url, ...(await get(url, bytesMax)) };
  } catch (error) {
    return { kind: "silent", url, reason: messageOf(error) };
  }
}

type Answer = Pick<
  Extract<AgentAnswer, { readonly kind: "answered" }>,
  "isOk" | "status" | "contentType" | "body"
>;

/**
 * Avoids `fetch`, which loads encryption, HTTP/2 and compression: health checks run every few seconds.
 *
 * @throws Error if the answer is missing, incomplete, late or too long
 */
async function get(url: string, bytesMax: number): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const receive = (response: IncomingMessage): void => {
    const { statusCode: status = 0, headers } = response;
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > bytesMax) asked.destroy(new Error(`the answer is longer than ${bytesMax} bytes`));
    });
    response.once("error", reject);
    response.once("end", () => {
      const isOk = status >= 200 && status < 300;
      const contentType = headers["content-type"] ?? null;
      resolve({ isOk, status, contentType, body: Buffer.concat(chunks).toString("utf8") });
    });
  };
  const asked = url.startsWith("https:")
    ? await requestSecurely(url, receive)
    : request(url, { agent: false }, receive);
  asked.once("error", reject);
  // Some endings emit no error, such as a protocol upgrade by the server.
  asked.once("close", () => reject(new Error("the answer is incomplete")));
  const timer = setTimeout(() => {
    reject(new Error(`no answer within ${answerTimeoutMs / 1_000} s`));
    asked.destroy();
  }, answerTimeoutMs);
  asked.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** The agent's own certificate names the host by which others reach it, not this machine's address. */
async function requestSecurely(
  url: string,
  receive: (response: IncomingMessage) => void,
): Promise<ClientRequest> {
  const https = await import("node:https");
  return https.request(url, { agent: false, rejectUnauthorized: false }, receive);
}
