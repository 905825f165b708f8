/**
 * Ports for servers that start later and may be started again on the same port.
 *
 * Between the choice and the start nobody else must take the port:
 * - The kernel gives ports of `ip_local_port_range` to outgoing connections at any moment, so none of these is chosen.
 * - Other processes may choose at the same time. This one holds the port's name until it ends.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tryHold } from "./held-name.ts";

/** Above the ports that browsers and fetch refuse. */
const lowest = 11_000;
const highest = 65_535;
const mostAttempts = 1_000;

/** A port of 127.0.0.1 that is free and stays reserved for this process. */
export async function freePort(): Promise<number> {
  const ports = stablePorts(await ephemeralRange());
  for (let attempt = 0; attempt < mostAttempts; attempt += 1) {
    const port = ports[Math.floor(Math.random() * ports.length)];
    if (port !== undefined && (await reserve(port)) && (await isFree(port))) return port;
  }
  throw new Error(`found no free port of 127.0.0.1 in ${mostAttempts} attempts`);
}

/**
 * The ports outside the kernel's range for outgoing connections, or all if that leaves none.
 *
 * @param ephemeral first and last port of that range
 */
export function stablePorts([first, last]: readonly [number, number]): number[] {
  const all = Array.from({ length: highest - lowest + 1 }, (_, index) => lowest + index);
  const stable = all.filter((port) => port < first || port > last);
  return stable.length === 0 ? all : stable;
}

/** Of Linux, see ip(7). */
async function ephemeralRange(): Promise<readonly [number, number]> {
  const text = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const [first = Number.NaN, last = Number.NaN] = text.trim().split(/\s+/).map(Number);
  return [first, last];
}

async function reserve(port: number): Promise<boolean> {
  return (await tryHold(`port-${port}`)) !== undefined;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}
