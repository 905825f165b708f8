/** Checks that the agent answers at its addresses or could: if another program holds one, no agent can start. */
import { once } from "node:events";
import { createServer } from "node:net";
import { addressOf, type Listener } from "../../config/listeners.ts";
import { errorOf } from "../../errors/caught.ts";
import { askHealth, type HealthAnswer } from "../running-agent/ask-health.ts";
import { good, wrong, type Finding } from "../finding.ts";
import { portHolder } from "./port-holder.ts";

/** @param health the answer of the first listener */
export async function checkListeners(
  listeners: readonly Listener[],
  ownWorker: string,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const [index, listener] of listeners.entries()) {
    const answer = index === 0 ? health : await askHealth(listener, "/health");
    findings.push(...(await checkListener(listener, ownWorker, answer)));
  }
  return findings;
}

async function checkListener(
  listener: Listener,
  ownWorker: string,
  health: HealthAnswer,
): Promise<readonly Finding[]> {
  const { section, host, port } = listener;
  const address = `${host}:${port}`;
  switch (health.kind) {
    case "unaskable":
      return []; // Disabled, or on a random free port.
    case "agent":
      return [good(section, `an agent answers on ${address}`)];
    case "foreign":
      return [taken(listener, ownWorker, `${health.url} answers ${health.description}`)];
    case "silent": {
      const failure = await listeningFailure(listener);
      if (failure === undefined)
        return [good(section, `no agent answers on ${address}, and the port is free`)];
      if (failure.code === "EADDRINUSE")
        return [taken(listener, ownWorker, `${health.url}: ${health.reason}`)];
      return [
        wrong(section, `cannot listen on ${address}: ${failure.message}`, {
          remedy: `set ${section}.host to an address of this machine and ${section}.port to a port this user may use`,
          facts: { code: failure.code },
        }),
      ];
    }
  }
}

function taken({ section, host, port }: Listener, ownWorker: string, sign: string): Finding {
  const holder = portHolder(port);
  const facts = { code: "EADDRINUSE", holder: holder ?? null };
  const address = `${host}:${port}`;
  if (holder?.isAgent === true) {
    const worker =
      holder.worker === undefined
        ? `an agent (worker ${ownWorker} in this configuration)`
        : `worker ${holder.worker}`;
    return wrong(
      section,
      `${address} is held by ${worker}, pid ${holder.pid}, which does not answer (${sign})`,
      {
        remedy: `check its log; if it hangs, kill it (kill -9 ${holder.pid}) and start it again; other workers take over its sensors meanwhile`,
        facts,
      },
    );
  }
  const program = holder === undefined ? "another program" : `${holder.program} (pid ${holder.pid})`;
  return wrong(section, `${address} is taken by ${program}, which is not an agent (${sign})`, {
    remedy: `stop that program, or set ${section}.port to a free port; no agent can start while it listens there`,
    facts,
  });
}

async function listeningFailure(listener: Listener): Promise<NodeJS.ErrnoException | undefined> {
  const server = createServer();
  try {
    server.listen({ host: await addressOf(listener), port: listener.port, exclusive: true });
    await once(server, "listening");
    server.close();
    await once(server, "close");
    return undefined;
  } catch (error) {
    return errorOf(error);
  }
}
