/**
 * A server that speaks just enough of PostgreSQL's protocol (version 3.0) to say what a real one cannot be made
 * to say in a test: another version's number, a full disk, damaged data.
 */
import { createServer, type Socket } from "node:net";
import { once } from "node:events";

export interface FakeRefusal {
  readonly severity: "ERROR" | "FATAL" | "PANIC";
  readonly state: string;
  readonly message: string;
}

export interface FakePostgresScript {
  /** Refuses every login. */
  readonly login?: FakeRefusal;
  /** Refuses the first statement whose text matches; others get a row of nothing. */
  readonly statement?: { readonly text: RegExp; readonly refusal: FakeRefusal };
  /** `server_version_num`; by default a version that is new enough. */
  readonly version?: number;
}

export interface FakePostgres extends AsyncDisposable {
  readonly url: string;
}

export async function fakePostgres(script: FakePostgresScript): Promise<FakePostgres> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    const backendPid = connections;
    socket.on("error", () => {}).on("close", () => sockets.delete(socket));
    let received = Buffer.alloc(0);
    let isLoggedIn = false;
    socket.on("data", (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      for (;;) {
        // The first message has no type.
        const typeBytes = isLoggedIn ? 1 : 0;
        if (received.length < typeBytes + 4) return;
        const length = typeBytes + received.readUInt32BE(typeBytes);
        if (received.length < length) return;
        const type = isLoggedIn ? String.fromCharCode(received[0] ?? 0) : "startup";
        const body = received.subarray(typeBytes + 4, length);
        received = received.subarray(length);
        isLoggedIn = true;
        answer(socket, { ...script, backendPid }, type, body);
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    url: `postgresql://someone:secret-word@127.0.0.1:${port}/fake`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

function answer(
  socket: Socket,
  { login, statement, version = 170_004, backendPid }: FakePostgresScript & { readonly backendPid: number },
  type: string,
  body: Buffer,
): void {
  switch (type) {
    case "startup":
      if (login === undefined) socket.write(Buffer.concat([message("R", int32(0)), ready]));
      else socket.end(refusal(login));
      break;
    // A simple query; the driver sends its named and parametrised ones as Parse, Bind, Describe, Execute, Sync.
    case "Q": {
      const text = body.toString("utf8");
      if (statement?.text.test(text)) socket.write(Buffer.concat([refusal(statement.refusal), ready]));
      else
        socket.write(
          Buffer.concat([
            text.includes("pg_backend_pid")
              ? row("pid", String(backendPid))
              : row("version", String(version)),
            message("C", cString("SELECT 1")),
            ready,
          ]),
        );
      break;
    }
    case "P":
      if (statement?.text.test(body.toString("utf8"))) socket.write(refusal(statement.refusal));
      break;
    case "S":
      socket.write(ready);
      break;
    case "X":
      socket.end();
      break;
  }
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

const ready = message("Z", Buffer.from("I"));

function refusal({ severity, state, message: text }: FakeRefusal): Buffer {
  const fields = { S: severity, V: severity, C: state, M: text };
  const parts = Object.entries(fields).map(([key, value]) => Buffer.from(`${key}${value}\0`));
  return message("E", Buffer.concat([...parts, Buffer.from([0])]));
}

/** One row of one column, an int4 as text. */
function row(column: string, value: string): Buffer {
  const int4 = Buffer.concat([int32(0), int16(0), int32(23), int16(4), int32(-1), int16(0)]);
  const description = Buffer.concat([int16(1), cString(column), int4]);
  const data = Buffer.concat([int16(1), int32(Buffer.byteLength(value)), Buffer.from(value)]);
  return Buffer.concat([message("T", description), message("D", data)]);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
