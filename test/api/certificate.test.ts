/** HTTPS with certificates of an authority of the test's own. */
import { copyFileSync, writeFileSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import { get } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { startApi, type ApiOptions } from "../../src/api/server.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { openAuthority, type Certificate } from "../support/certificates.ts";
import { recordingLogger } from "../support/recording-logger.ts";
import { readFileSync } from "node:fs";

const options: ApiOptions = {
  section: "api",
  host: "127.0.0.1",
  port: 0,
  health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
  metrics: { contentType: "text/plain", text: async () => "" },
  logger: silentLogger,
};

async function liveness(address: string, authority: { readonly ca: string }) {
  const { promise, resolve, reject } = Promise.withResolvers<{ subject: string; body: unknown }>();
  const trusted = { ca: readFileSync(authority.ca), servername: "agent.test", agent: false };
  get(`${address}/health/live`, trusted, (response) => {
    const { subject } = (response.socket as TLSSocket).getPeerCertificate();
    text(response).then((body) => resolve({ subject: String(subject.CN), body: JSON.parse(body) }), reject);
  }).once("error", reject);
  return promise;
}

function place(certificate: Certificate, directory: string) {
  const files = { cert: join(directory, "cert.pem"), key: join(directory, "key.pem") };
  copyFileSync(certificate.cert, files.cert);
  copyFileSync(certificate.key, files.key);
  return files;
}

test("with a certificate the API serves HTTPS, and a renewed one without a restart", async () => {
  using authority = openAuthority("test authority");
  await using directory = await mkdtempDisposable(join(tmpdir(), "attune-tls-"));
  const files = place(authority.sign("agent.test"), directory.path);
  const { logger, lines } = recordingLogger();
  await using api = await startApi({ ...options, tls: files, logger });
  expect(api.address).toMatch(/^https:/);
  expect(await liveness(api.address, authority)).toMatchObject({
    subject: "agent.test",
    body: { status: "ok" },
  });

  // Half written: a key without its certificate.
  writeFileSync(files.cert, "-----BEGIN CERTIFICATE-----\n");
  await expect
    .poll(() => lines.map(({ message }) => message), { timeout: 20_000 })
    .toContainEqual(expect.stringContaining("kept the old HTTPS certificate"));
  expect(await liveness(api.address, authority)).toMatchObject({ body: { status: "ok" } });

  using other = openAuthority("another authority");
  place(other.sign("agent.test"), directory.path);
  await expect
    .poll(() => liveness(api.address, other).catch((error: unknown) => error), { timeout: 20_000 })
    .toMatchObject({ subject: "agent.test" });
});

test("a key of another certificate is one clear error", async () => {
  using authority = openAuthority("test authority");
  const { cert } = authority.sign("agent.test");
  const { key } = authority.sign("other.test");

  await expect(startApi({ ...options, tls: { cert, key } })).rejects.toMatchObject({
    code: "TLS_FAILED",
    message: expect.stringContaining(cert) as string,
  });
});
