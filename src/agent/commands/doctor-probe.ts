/**
 * A health check for images without shell or HTTP client: the executable itself asks the agent that runs
 * beside it, over its HTTP API.
 */
import type { Config } from "../../config/schema.ts";
import { loadConfiguration } from "../configured.ts";
import type { ExitCode, Invocation } from "../invocation.ts";

/** live: should it be restarted? ready: can it do its work? As the paths below /health. */
export type Probe = "live" | "ready";

const answerTimeoutMs = 5_000;

/** Addresses that mean "all of this machine's" to a listener, and where to reach it. */
const loopbackFor: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "[::1]"],
]);

export async function probeAgent(invocation: Invocation, probe: Probe): Promise<ExitCode> {
  const { config } = loadConfiguration(invocation);
  const url = probeUrl(config, probe);
  if (url === undefined) {
    invocation.complain("the agent cannot be asked: set api.enabled, and api.port to a port other than 0\n");
    return 1;
  }
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(answerTimeoutMs) });
    invocation.print(`${await answer.text()}\n`);
    return answer.ok ? 0 : 1;
  } catch (error) {
    const { cause } = error instanceof Error ? error : { cause: undefined };
    const reason = cause instanceof Error ? cause.message : String(error);
    invocation.complain(`no agent answers at ${url}: ${reason}\n`);
    return 1;
  }
}

function probeUrl({ api }: Config, probe: Probe): string | undefined {
  if (!api.enabled || api.port === 0) return undefined;
  const host = loopbackFor.get(api.host) ?? (api.host.includes(":") ? `[${api.host}]` : api.host);
  return `http://${host}:${api.port}/health/${probe}`;
}
