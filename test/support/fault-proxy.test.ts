import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { startFaultProxy } from "./fault-proxy.ts";

test("a frozen connection stays open and silent, and delivers what waited once resumed", async () => {
  await using proxy = await startFaultProxy(await startEcho());
  const client = await connectTo(proxy.port);
  await expect.poll(() => echoOf(client, "one")).toBe("one");

  proxy.freeze();
  client.write("two");
  const silence = await Promise.race([once(client, "data"), delayed(100)]);
  expect(silence).toBe("silent");
  expect(client.destroyed).toBe(false);

  proxy.resume();
  const [chunk] = await once(client, "data");
  expect(String(chunk)).toBe("two");
});

test("cut resets open connections and refuse turns new ones away", async () => {
  await using proxy = await startFaultProxy(await startEcho());
  const client = await connectTo(proxy.port);
  await echoOf(client, "one");
  proxy.cut();
  await expect.poll(() => client.destroyed).toBe(true);

  proxy.refuse();
  const refused = connect(proxy.port, "127.0.0.1");
  refused.on("error", () => {});
  await expect.poll(() => refused.destroyed).toBe(true);

  proxy.resume();
  expect(await echoOf(await connectTo(proxy.port), "again")).toBe("again");
});

test("an abandoned connection stays silent while new ones pass", async () => {
  await using proxy = await startFaultProxy(await startEcho());
  const old = await connectTo(proxy.port);
  await echoOf(old, "one");
  proxy.abandon();
  old.write("two");

  expect(await echoOf(await connectTo(proxy.port), "new")).toBe("new");
  proxy.resume();
  expect(await Promise.race([once(old, "data"), delayed(100)])).toBe("silent");
});

async function startEcho(): Promise<{ targetHost: string; targetPort: number }> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { targetHost: "127.0.0.1", targetPort: address.port };
}

async function connectTo(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

async function echoOf(socket: Socket, text: string): Promise<string> {
  const reply = once(socket, "data");
  socket.write(text);
  const [chunk] = await reply;
  return String(chunk);
}

function delayed(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(resolve, ms, "silent"));
}
