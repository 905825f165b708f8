import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBody, type ReadBody } from "../../src/api/body-reader.ts";
import { BodyRoom } from "../../src/api/body-room.ts";
import { heapUsed } from "../support/heap-used.ts";

const bytesMax = 4_000_000;

interface Reading extends AsyncDisposable {
  readonly room: BodyRoom;
  /** What became of each body, in the order in which it was known. */
  readonly read: ReadBody[];
  connect(): Socket;
}

async function start(
  roomBytes = 64_000_000,
  options: Parameters<typeof createServer>[0] = {},
): Promise<Reading> {
  const room = new BodyRoom(roomBytes);
  const read: ReadBody[] = [];
  const answer = async (message: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(message, { bytesMax, room, caller: String(message.headers["x-caller"]) });
    read.push(body);
    response.end(body.kind);
  };
  const server: Server = createServer(options, (message, response) => void answer(message, response));
  await once(server.listen(0, "127.0.0.1"), "listening");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { port } = server.address() as AddressInfo;
  const sockets: Socket[] = [];
  return {
    room,
    read,
    connect() {
      const socket = connect(port, "127.0.0.1").on("error", () => {});
      sockets.push(socket.setNoDelay().resume());
      return socket;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const head = (length: number | "chunked", caller = "one"): string =>
  `POST / HTTP/1.1\r\nhost: a\r\nx-caller: ${caller}\r\n${
    length === "chunked" ? "transfer-encoding: chunked" : `content-length: ${length}`
  }\r\n\r\n`;

const chunkOf = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from("\r\n")]);

const bytesOf = (body: ReadBody | undefined): Buffer | undefined =>
  body?.kind === "read" ? body.bytes : undefined;

test("a body is read as it was sent, whatever its pieces are, and leaves the room", async () => {
  await using reading = await start();
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), { maxLength: 12 });

  await fc.assert(
    fc.asyncProperty(pieces, fc.boolean(), async (sent, isChunked) => {
      reading.read.length = 0;
      const whole = Buffer.concat(sent);
      const socket = reading.connect();
      socket.write(head(isChunked ? "chunked" : whole.length));
      for (const piece of sent) socket.write(isChunked ? chunkOf(piece) : piece);
      if (isChunked) socket.write("0\r\n\r\n");
      await expect.poll(() => reading.read.length, { interval: 1 }).toBe(1);
      socket.destroy();

      expect(bytesOf(reading.read[0])?.equals(whole)).toBe(true);
      expect(reading.room.heldBytes).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test("a body that comes byte by byte takes no more memory than the room says", async () => {
  await using reading = await start();
  const socket = reading.connect();
  const length = 200_000;
  socket.write(head("chunked"));
  await once(socket, "ready").catch(() => {});
  const before = heapUsed();

  const bytes = Buffer.from("1\r\nx\r\n".repeat(10_000));
  for (let sent = 0; sent < length; sent += 10_000) socket.write(bytes);
  await expect.poll(() => reading.room.heldBytes).toBeGreaterThanOrEqual(length);

  expect(reading.room.heldBytes).toBeLessThanOrEqual(3 * length);
  expect(heapUsed() - before).toBeLessThan(20 * length);
  socket.write("0\r\n\r\n");
  await expect.poll(() => bytesOf(reading.read[0])?.length).toBe(length);
});

test("a body is too large as soon as that is known", async () => {
  await using reading = await start();
  const announced = reading.connect();
  announced.write(head(bytesMax + 1));
  await expect.poll(() => reading.read).toEqual([{ kind: "too large" }]);

  const chunked = reading.connect();
  chunked.write(head("chunked"));
  chunked.write(chunkOf(Buffer.alloc(bytesMax + 1)));
  await expect.poll(() => reading.read).toEqual([{ kind: "too large" }, { kind: "too large" }]);
  expect(reading.room.heldBytes).toBe(0);
});

// Goal: however many bodies one caller leaves unfinished, another one's is read.
test("a full room refuses the one with most unread, and reads another's", async () => {
  await using reading = await start(1_000_000);
  const greedy = Array.from({ length: 9 }, () => reading.connect());
  for (const socket of greedy) {
    socket.write(head("chunked", "greedy"));
    socket.write(chunkOf(Buffer.alloc(200_000)));
  }
  await expect.poll(() => reading.read.length).toBeGreaterThanOrEqual(4);
  expect(new Set(reading.read.map(({ kind }) => kind))).toEqual(new Set(["no room"]));
  expect(reading.room.heldBytes).toBeLessThanOrEqual(1_000_000);

  const announcing = reading.connect();
  let answer = "";
  announcing.on("data", (chunk: Buffer) => (answer += chunk.toString()));
  announcing.write(head(900_000, "greedy"));
  await expect.poll(() => answer).toMatch(/no room$/);

  const honest = reading.connect();
  honest.write(head(400_000, "honest"));
  honest.write(Buffer.alloc(400_000));
  await expect.poll(() => reading.read.map((each) => bytesOf(each)?.length)).toContain(400_000);
});

test("a slow sender's body leaves the room when its time is over, and one that broke off at once", async () => {
  const limits = { requestTimeout: 300, headersTimeout: 300, connectionsCheckingInterval: 50 };
  await using reading = await start(1_000_000, limits);
  const slow = reading.connect();
  slow.write(head(1_000));
  slow.write("x");
  const broken = reading.connect();
  broken.write(head(1_000));
  broken.write("x");
  await expect.poll(() => reading.room.heldBytes, { interval: 1 }).toBe(2);

  broken.destroy();

  await expect.poll(() => reading.room.heldBytes).toBe(0);
  expect(reading.read).toEqual([{ kind: "incomplete" }, { kind: "incomplete" }]);
});
