import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { expect, test } from "vitest";
import { freePort, stablePorts } from "../../scripts/services/free-port.ts";

test("a chosen port is none that the kernel gives to outgoing connections", async () => {
  const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8");
  const [first = 0, last = 0] = range.split(/\s+/).map(Number);

  const ports = await Promise.all(Array.from({ length: 50 }, freePort));

  expect(ports.filter((port) => port >= first && port <= last)).toEqual([]);
});

test("a chosen port is chosen once, and free", async () => {
  const ports = await Promise.all(Array.from({ length: 100 }, freePort));

  expect(new Set(ports).size).toBe(100);
  for (const port of ports) {
    const server = createServer().listen(port, "127.0.0.1");
    await once(server, "listening");
    server.close();
  }
});

test("a chosen port is reserved against other processes", async () => {
  const port = await freePort();

  const other = createServer().listen(`\0attune-port-${port}`);

  await expect(once(other, "listening")).rejects.toMatchObject({ code: "EADDRINUSE" });
});

test("if every port may go to an outgoing connection, every port is a candidate", () => {
  expect(stablePorts([1_024, 65_535])).toContain(40_000);
  expect(stablePorts([32_768, 60_999])).not.toContain(40_000);
});
