/**
 * One connection to RabbitMQ, from its opening until its end.
 *
 * A session does not heal: whatever goes wrong ends it, with the reason as a value, and the transport
 * opens another. Channels on it (publisher.ts, consumer.ts) may end and be opened again
 * without it.
 */
import { Duplex } from "node:stream";
import { connect, type ChannelModel } from "amqplib";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { messageOf } from "../../errors/caught.ts";
import type { TlsOptions } from "../../files/tls-options.ts";
import type { BrokerAddress } from "./address.ts";
import { promptWrites } from "./prompt-writes.ts";

export interface SessionOptions {
  readonly address: BrokerAddress;
  readonly tls: TlsOptions;
  /** Shown in the broker's list of connections. */
  readonly connectionName: string;
  /** A connection from which nothing was heard for two to three of these is given up. */
  readonly heartbeatSeconds: number;
  readonly connectTimeoutMs: number;
  /** Called whenever the broker was heard. */
  readonly onHeard: () => void;
  /** Called when the broker stops accepting messages, with why, and without when it accepts them again. */
  readonly onBlocked: (reason: string | undefined) => void;
}

export interface AmqpSession {
  readonly connection: ChannelModel;
  /** Why it ended; settles once and never rejects. */
  readonly ended: Promise<Error>;
  /** Already true when other promises learn of the end. */
  readonly hasEnded: boolean;
  /** To be called after publishing: sends at the end of this turn. */
  readonly writeSoon: () => void;
  /** Says goodbye if the broker listens, for at most `limitMs`; then the socket is gone in any case. */
  close(limitMs: number): Promise<void>;
}

/** Rejects within about `connectTimeoutMs` when it cannot. */
export async function openSession(options: SessionOptions): Promise<AmqpSession> {
  const { address, tls, connectionName, heartbeatSeconds, connectTimeoutMs } = options;
  const { protocol, hostname, port, username, password, vhost } = address;
  const connection = await connect(
    { protocol, hostname, port, username, password, vhost, heartbeat: heartbeatSeconds },
    {
      timeout: connectTimeoutMs,
      noDelay: true,
      clientProperties: { connection_name: connectionName },
      ...tls,
    },
  );
  const socket = socketOf(connection);
  const ended = Promise.withResolvers<Error>();
  let hasEnded = false;
  const end = (reason: Error): void => {
    hasEnded = true;
    ended.resolve(reason);
  };
  connection.on("error", end);
  connection.on("close", (reason) => end(reason ?? new Error("the connection was closed")));
  socket.on("readable", options.onHeard);
  connection.on("blocked", (reason) => options.onBlocked(reason));
  connection.on("unblocked", () => options.onBlocked(undefined));

  return {
    connection,
    ended: ended.promise,
    writeSoon: promptWrites(connection, socket),
    get hasEnded() {
      return hasEnded;
    },
    async close(limitMs) {
      if (!hasEnded) await settlesWithin(connection.close(), limitMs);
      // With an error: only then does amqplib notice, end its channels and stop its heartbeats.
      socket.destroy(new Error("the broker did not say goodbye"));
    },
  };
}

/** Why something failed, in one line; of several attempts at once (IPv4 and IPv6) the first. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  const reason = messageOf(error);
  // What amqplib makes of the broker's refusal of a virtual host; the broker's words are lost to us.
  if (!reason.startsWith("Expected ConnectionOpenOk; got <ConnectionClose")) return reason;
  return "the broker refused the virtual host: there is none of that name, or the user may not use it";
}

/** amqplib ends a socket but never destroys it, and a half-dead one would linger for many minutes. */
function socketOf(connection: ChannelModel): Duplex {
  const inner: object = connection.connection;
  if ("stream" in inner && inner.stream instanceof Duplex) return inner.stream;
  throw new Error("amqplib no longer keeps its socket where it did");
}
