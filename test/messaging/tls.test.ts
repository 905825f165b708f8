/** TLS to a real broker, with an authority made for the test. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../scripts/services/free-port.ts";
import type { RabbitmqServer } from "../../scripts/services/rabbitmq.ts";
import type { TlsSettings } from "../../src/files/tls-options.ts";
import { openRabbitmq } from "../../src/messaging/rabbitmq/rabbitmq.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openAuthority, type Authority, type Certificate } from "../support/certificates.ts";
import { privateBroker } from "../support/rabbitmq.ts";
import { outgoing } from "./conformance.ts";

let broker: RabbitmqServer;
let authority: Authority;
let client: Certificate;
let port: number;
beforeAll(async () => {
  authority = openAuthority("Test authority");
  client = authority.sign("agent");
  const server = authority.sign("mq.test");
  port = await freePort();
  broker = await privateBroker([
    `listeners.ssl.1 = 127.0.0.1:${port}`,
    `ssl_options.cacertfile = ${authority.ca}`,
    `ssl_options.certfile = ${server.cert}`,
    `ssl_options.keyfile = ${server.key}`,
    "ssl_options.verify = verify_peer",
    "ssl_options.fail_if_no_peer_cert = true",
  ]);
}, 180_000);
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  authority[Symbol.dispose]();
});

test("with the authority, the certificate's name and a client certificate messages are confirmed", async () => {
  await using transport = await open({ ca: authority.ca, server_name: "mq.test", ...client });
  await transport.connected(10_000);

  await transport.publish(outgoing({ messageId: "encrypted" }));

  expect(transport.health().state).toBe("up");
});

test.each<[string, () => TlsSettings, RegExp]>([
  ["an authority that is not trusted", () => client, /not trusted here; set message_queue\.tls\.ca /],
  [
    "a certificate for another name",
    () => ({ ca: authority.ca, ...client }),
    /its certificate is not for .*; use a host name from the certificate in message_queue\.url/,
  ],
  [
    "a broker that wants a client certificate",
    () => ({ ca: authority.ca, server_name: "mq.test" }),
    /it refused this client's certificate, or the lack of one .*; set message_queue\.tls\.cert/,
  ],
])("%s is reported", async (_, tls, line) => {
  await using transport = await open(tls());

  await expect(transport.connected(3_000)).rejects.toMatchObject({
    code: "TLS_FAILED",
    message: expect.stringMatching(line),
  });
});

test("a client without TLS learns that the port requires it", async () => {
  await using transport = await openRabbitmq({
    url: `amqp://attune:attune@127.0.0.1:${port}`,
    logger: silentLogger,
  });

  await expect(transport.connected(3_000)).rejects.toThrow(
    /whether that port requires TLS \(message_queue\.tls\)/,
  );
});

function open(tls: TlsSettings) {
  return openRabbitmq({ url: `amqps://attune:attune@127.0.0.1:${port}`, tls, logger: silentLogger });
}
