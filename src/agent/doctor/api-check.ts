/** Whether the agent's API answers, or could: its address may be another program's, and then no agent starts. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Config } from "../../config/schema.ts";
import type { HealthAnswer } from "../ask-health.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** @param health what answered at the address of the API */
export async function checkApi(
  { api }: Pick<Config, "api">,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  const address = `${api.host}:${api.port}`;
  switch (health.kind) {
    case "unaskable":
      return []; // It is off, or takes whatever port is free.
    case "agent":
      return [good("api", `an agent answers on ${address}`)];
    case "foreign":
      return [taken(address, `${health.url} answers ${health.description}`)];
    case "silent": {
      const failure = await listeningFailure(api);
      if (failure === undefined)
        return [good("api", `no agent answers on ${address}, which is free for one`)];
      if (failure.code === "EADDRINUSE") return [taken(address, `${health.url}: ${health.reason}`)];
      return [
        wrong("api", `cannot listen on ${address}: ${failure.message}`, {
          remedy: "set api.host to an address of this machine and api.port to a port this user may use",
          facts: { code: failure.code },
        }),
      ];
    }
  }
}

function taken(address: string, sign: string): Finding {
  return wrong("api", `${address} is taken by a program that does not answer as an agent (${sign})`, {
    remedy: "end that program, or set api.port to a free port; no agent starts while it listens there",
    facts: { code: "EADDRINUSE" },
  });
}

async function listeningFailure({ host, port }: Config["api"]): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer();
  try {
    server.listen({ host, port, exclusive: true });
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
