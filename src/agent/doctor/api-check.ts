/** Whether the agent's API answers, or could: its address may be another program's, and then no agent starts. */
import { once } from "node:events";
import { createServer } from "node:net";
import type { Config } from "../../config/schema.ts";
import type { HealthAnswer } from "../ask-health.ts";
import { good, wrong, type Finding } from "./finding.ts";
import { portHolder } from "./port-holder.ts";

/** @param health what answered at the address of the API */
export async function checkApi(
  { api, sensor }: Pick<Config, "api"> & { readonly sensor: Pick<Config["sensor"], "worker_name"> },
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  const address = `${api.host}:${api.port}`;
  switch (health.kind) {
    case "unaskable":
      return []; // It is off, or takes whatever port is free.
    case "agent":
      return [good("api", `an agent answers on ${address}`)];
    case "foreign":
      return [taken(api, sensor.worker_name, `${health.url} answers ${health.description}`)];
    case "silent": {
      const failure = await listeningFailure(api);
      if (failure === undefined)
        return [good("api", `no agent answers on ${address}, which is free for one`)];
      if (failure.code === "EADDRINUSE")
        return [taken(api, sensor.worker_name, `${health.url}: ${health.reason}`)];
      return [
        wrong("api", `cannot listen on ${address}: ${failure.message}`, {
          remedy: "set api.host to an address of this machine and api.port to a port this user may use",
          facts: { code: failure.code },
        }),
      ];
    }
  }
}

function taken({ host, port }: Config["api"], ownWorker: string, sign: string): Finding {
  const holder = portHolder(port);
  const facts = { code: "EADDRINUSE", holder: holder ?? null };
  const address = `${host}:${port}`;
  if (holder?.isAgent === true) {
    const worker =
      holder.worker === undefined
        ? `an agent (by this configuration worker ${ownWorker})`
        : `worker ${holder.worker}`;
    return wrong(
      "api",
      `${address} is held by ${worker}, pid ${holder.pid}, and it does not answer (${sign})`,
      {
        remedy: `look at its log and at what it waits for; if it hangs, end it (kill -9 ${holder.pid}) and start it again: other workers take over its sensors`,
        facts,
      },
    );
  }
  const program = holder === undefined ? "a program" : `${holder.program}, pid ${holder.pid},`;
  return wrong("api", `${address} is taken by ${program} that does not answer as an agent (${sign})`, {
    remedy: "end that program, or set api.port to a free port; no agent starts while it listens there",
    facts,
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
