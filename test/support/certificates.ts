/** Certificates for tests of TLS: an authority of the test's own, and what it signs. In PEM, made by openssl. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Disposable {
  /** The authority's certificate. */
  readonly ca: string;
  /** @param commonName also a DNS name of the certificate */
  sign(commonName: string, days?: number): Certificate;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];

export function openAuthority(name: string): Authority {
  const directory = mkdtempSync(join(tmpdir(), "attune-certificates-"));
  const path = (file: string): string => join(directory, file);
  const openssl = (...args: readonly string[]): void =>
    void execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
  openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-subj", `/CN=${name}`);
  return {
    ca: path("ca.pem"),
    sign(commonName, days = 2) {
      const file = `${commonName}${days}`;
      openssl(
        "req",
        ...newKey,
        "-keyout",
        `${file}.key`,
        "-out",
        `${file}.csr`,
        "-subj",
        `/CN=${commonName}`,
      );
      writeFileSync(path(`${file}.ext`), `subjectAltName=DNS:${commonName}\n`);
      const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", String(days)];
      openssl(
        "x509",
        "-req",
        "-in",
        `${file}.csr`,
        "-out",
        `${file}.pem`,
        "-extfile",
        `${file}.ext`,
        ...signing,
      );
      return { cert: path(`${file}.pem`), key: path(`${file}.key`) };
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
