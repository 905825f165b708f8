/**
 * Posts the same body over keep-alive connections for a while, each connection one request after the other, and prints how many
 * were answered as expected. Little more than sockets, since it takes its processor from the server that is measured.
 *
 * Arguments: URL, body, connections, seconds, the expected status (201), further headers as JSON.
 */
import { connect } from "node:net";

const [url = "", body = "", connections = "", seconds = "", status = "201", headers = "{}"] =
  process.argv.slice(2);
const { hostname, port, pathname } = new URL(url);
const furtherHeaders: Readonly<Record<string, string>> = JSON.parse(headers);
const request = Buffer.from(
  `POST ${pathname} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sensor\r\nContent-Type: application/json\r\n` +
    Object.entries(furtherHeaders)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join("") +
    `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
);

let [count, others, isOver] = [0, 0, false];
let firstOther = "";

async function post(): Promise<void> {
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  const { promise, resolve } = Promise.withResolvers<void>();
  let received = "";
  socket.setEncoding("latin1");
  socket.on("data", (text: string) => {
    received += text;
    const head = received.indexOf("\r\n\r\n");
    const length = Number(/content-length: (\d+)/i.exec(received)?.[1]);
    if (head === -1 || received.length < head + 4 + length) return;
    if (received.startsWith(`HTTP/1.1 ${status}`)) count += 1;
    else {
      others += 1;
      firstOther ||= received;
    }
    received = "";
    if (isOver) socket.end();
    else socket.write(request);
  });
  socket.on("close", () => resolve());
  socket.write(request);
  await promise;
}

const startedAtMs = performance.now();
setTimeout(
  () => {
    isOver = true;
  },
  Number(seconds) * 1_000,
);
await Promise.all(Array.from({ length: Number(connections) }, post));
process.stdout.write(
  JSON.stringify({ count, others, firstOther, seconds: (performance.now() - startedAtMs) / 1_000 }),
);
