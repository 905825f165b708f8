/**
 * A TCP proxy that misbehaves on demand, between the code under test and a real server.
 *
 * Modes, switched while connections are open:
 *
 *     forwarding   bytes pass both ways
 *     frozen       connections stay open and accept bytes, nothing passes: the half-dead socket of a
 *                  pulled cable or a dropped firewall state. New connections are accepted and frozen too.
 *     refusing     new connections are reset at once; open ones are cut
 *
 * What arrived while frozen is kept by backpressure and passes after `resume`.
 */
import { connect, createServer, type Socket } from "node:net";

export interface FaultProxyOptions {
  readonly targetHost: string;
  readonly targetPort: number;
}

export interface FaultProxy extends AsyncDisposable {
  readonly port: number;
  /** Connections accepted since the start, also those refused. */
  readonly connectionsAccepted: number;
  readonly connectionsOpen: number;
  /** Stops passing bytes, keeps every connection open. */
  freeze(): void;
  /**
   * Silences the connections open now for good, while new ones pass: what is left of a connection whose
   * state a firewall has forgotten.
   */
  abandon(): void;
  /** Returns to forwarding, from whatever mode; connections that were abandoned stay silent. */
  resume(): void;
  /** Resets the connections open now; new ones are treated by the present mode. */
  cut(): void;
  /** Resets the connections open now and every new one until `resume`. */
  refuse(): void;
}

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

export async function startFaultProxy({ targetHost, targetPort }: FaultProxyOptions): Promise<FaultProxy> {
  let mode: "forwarding" | "frozen" | "refusing" = "forwarding";
  let connectionsAccepted = 0;
  const pairs = new Set<Pair>();
  const abandoned = new WeakSet<Pair>();

  const listener = createServer({ pauseOnConnect: true }, (client) => {
    connectionsAccepted += 1;
    if (mode === "refusing") {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const pair = { client, server: connect(targetPort, targetHost) };
    pairs.add(pair);
    tie(pair, pairs);
    if (mode === "forwarding") forward(pair);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");

  const cut = (): void => {
    for (const { client, server } of pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
    pairs.clear();
  };

  return {
    port: address.port,
    get connectionsAccepted() {
      return connectionsAccepted;
    },
    get connectionsOpen() {
      return pairs.size;
    },
    freeze() {
      mode = "frozen";
      for (const pair of pairs) hold(pair);
    },
    abandon() {
      for (const pair of pairs) {
        hold(pair);
        abandoned.add(pair);
      }
    },
    resume() {
      mode = "forwarding";
      for (const pair of pairs) if (!abandoned.has(pair)) forward(pair);
    },
    cut,
    refuse() {
      mode = "refusing";
      cut();
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
}

function forward({ client, server }: Pair): void {
  client.pipe(server);
  server.pipe(client);
}

function hold({ client, server }: Pair): void {
  client.unpipe(server).pause();
  server.unpipe(client).pause();
}

/** One side's end is the other side's end; an error on either is an end. */
function tie(pair: Pair, pairs: Set<Pair>): void {
  const end = (): void => {
    pair.client.destroy();
    pair.server.destroy();
    pairs.delete(pair);
  };
  for (const socket of [pair.client, pair.server]) {
    socket.setNoDelay(true);
    socket.on("error", end);
    socket.on("close", end);
  }
}
