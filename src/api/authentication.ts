/**
 * Who may use the platform's resources.
 *
 * There are no tokens yet, so the API trusts the machine it runs on: it must listen on loopback only, and the
 * request must have been meant for this machine. A connection alone proves too little. A web page can point a name of its
 * own at 127.0.0.1 and have the browser of someone on this machine ask (DNS rebinding), which the Host header
 * shows; and a proxy on this machine asks for others, which its headers show unless it removes them.
 *
 * A hook of every route that needs a caller. With tokens, `authenticate` also accepts a valid one and returns its
 * caller, whose role the routes check.
 */
import { BlockList, isIPv6 } from "node:net";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RequestError } from "./errors.ts";

/** Refuses requests whose caller is unknown, for all routes added to `scope`. */
export function requireCaller(scope: FastifyInstance): void {
  scope.addHook("onRequest", async (request) => authenticate(request));
}

/** @throws RequestError FORBIDDEN */
function authenticate(request: FastifyRequest): void {
  const refusal = refusalOf(request);
  if (refusal !== undefined) throw new RequestError("FORBIDDEN", refusal);
}

function refusalOf({ server, socket, headers }: FastifyRequest): string | undefined {
  const addresses = server.addresses().map((bound) => (typeof bound === "string" ? bound : bound.address));
  const outside = addresses.find((address) => !isLoopback(address));
  if (outside !== undefined) {
    return `This path is served on loopback only, and the API listens on ${outside}; set api.host to 127.0.0.1.`;
  }
  if (!isLoopback(socket.remoteAddress ?? "") || isForwarded(headers)) {
    return "This path is served to programs on the agent's own machine only.";
  }
  if (headers.host !== undefined && !namesThisMachine(headers.host)) {
    return "This path is served for the host localhost or a loopback address only; the Host header names another.";
  }
  return undefined;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Also for `::ffff:127.0.0.1`: an IPv4 address as an IPv6 socket shows it. */
function isLoopback(address: string): boolean {
  return loopback.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}

function isForwarded(headers: FastifyRequest["headers"]): boolean {
  return headers.forwarded !== undefined || headers["x-forwarded-for"] !== undefined;
}

/** @param host name or address, perhaps with a port */
function namesThisMachine(host: string): boolean {
  const hostname = URL.parse(`http://${host}`)?.hostname ?? "";
  return hostname === "localhost" || isLoopback(hostname.replace(/^\[(.*)\]$/, "$1"));
}
