/**
 * How a client asks for a WebSocket, and shows who it is.
 *
 * Sensors send their token in the Authorization header, some also in a sub-protocol; browsers can only do the latter. Who
 * has a token may come from any page, so Origin is not looked at.
 */
import type { IncomingMessage } from "node:http";

export const webSocketPaths: readonly string[] = ["/ws", "/api/v1/ws"];
/** The only sub-protocol that is ever selected. */
const protocol = "attune.v1";
const tokenProtocolPrefix = "attune.jwt.";

/** Other requests to upgrade the connection are answered as if they had not asked for it. */
export function isWebSocketRequest({ url = "", headers }: IncomingMessage): boolean {
  const [path = ""] = url.split("?");
  return webSocketPaths.includes(path) && headers.upgrade?.toLowerCase() === "websocket";
}

/** The token as it was sent; undefined: none was. */
export function handshakeToken({ headers }: IncomingMessage): string | undefined {
  if (headers.authorization !== undefined) return /^bearer +(\S+)$/i.exec(headers.authorization)?.[1];
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((each) => each.trim());
  return offered.find((each) => each.startsWith(tokenProtocolPrefix))?.slice(tokenProtocolPrefix.length);
}

/** Some clients fail unless it is selected, others if anything is; the token must not come back in any case. */
export function selectProtocol(offered: ReadonlySet<string>): string | false {
  return offered.has(protocol) ? protocol : false;
}
