/** Asks the agent that runs on this machine, over its HTTP API. */
import type { Config } from "../config/schema.ts";

const answerTimeoutMs = 5_000;

/** Addresses that mean "all of this machine's" to a listener, and where to reach it. */
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
  /** Its configuration says that it answers nobody, or at a port that nobody knows. */
  | { readonly kind: "unaskable" };

export async function askAgent({ api }: Config, path: string): Promise<AgentAnswer> {
  if (!api.enabled || api.port === 0) return { kind: "unaskable" };
  const host = loopbackFor.get(api.host) ?? (api.host.includes(":") ? `[${api.host}]` : api.host);
  const url = `http://${host}:${api.port}${path}`;
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
    const { ok: isOk, status, headers } = answer;
    const contentType = headers.get("content-type");
    return { kind: "answered", url, isOk, status, contentType, body: await answer.text() };
  } catch (error) {
    const { cause } = error instanceof Error ? error : { cause: undefined };
    return { kind: "silent", url, reason: cause instanceof Error ? cause.message : String(error) };
  }
}
