/** A sensor's WebSocket as existing clients open it, which keeps what it was told. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket, type ClientOptions } from "ws";

export interface Told {
  readonly event_type: string;
  readonly rule_id: number;
  readonly rule_ref: string;
  readonly trigger_ref: string;
  readonly trigger_params: object;
  readonly active: boolean;
  readonly timestamp: string;
}

export interface Frame {
  readonly type: string;
  readonly payload?: Told;
  readonly [key: string]: unknown;
}

export interface RuleSubscriber extends AsyncDisposable {
  readonly socket: WebSocket;
  readonly frames: readonly Frame[];
  /** What its notifications say, written as "rule.enabled demo.rule active". */
  readonly told: () => readonly string[];
  readonly say: (message: object) => void;
  readonly subscribe: (triggerRef: string) => void;
  readonly forget: () => void;
  /** Resolves with the close code. */
  readonly closed: Promise<number>;
}

export async function subscriberAt(
  apiAddress: string,
  token: string,
  { protocols = [], path = "/ws", ...options }: ClientOptions & HandshakeOptions = {},
): Promise<RuleSubscriber> {
  const socket = new WebSocket(`${apiAddress.replace("http", "ws")}${path}`, [...protocols], {
    headers: { authorization: `Bearer ${token}` },
    ...options,
  });
  const frames: Frame[] = [];
  socket.on("message", (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame));
  const closed = Promise.withResolvers<number>();
  socket.on("close", (code) => closed.resolve(code));
  await once(socket, "open");
  return {
    socket,
    frames,
    told: () => frames.flatMap(({ payload }) => (payload === undefined ? [] : [written(payload)])),
    say: (message) => socket.send(JSON.stringify(message)),
    subscribe: (triggerRef) =>
      socket.send(JSON.stringify({ type: "subscribe", filter: `trigger_ref:${triggerRef}` })),
    forget: () => {
      frames.length = 0;
    },
    closed: closed.promise,
    async [Symbol.asyncDispose]() {
      socket.terminate();
      await closed.promise;
    },
  };
}

interface HandshakeOptions {
  readonly protocols?: readonly string[];
  readonly path?: string;
  /** Whom the certificate is to be of. */
  readonly servername?: string;
}

/** The answer to a handshake that is refused. */
export async function refusedHandshake(
  url: string,
  headers: Readonly<Record<string, string>>,
  protocols: readonly string[] = [],
): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
  const socket = new WebSocket(url.replace("http", "ws"), [...protocols], { headers: { ...headers } });
  socket.on("error", () => {});
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(Buffer.from(chunk));
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) };
}

function written({ event_type, rule_ref, active }: Told): string {
  return `${event_type} ${rule_ref}${active ? " active" : ""}`;
}
