/**
 * The certificate of the HTTPS listener. Its files are checked every few seconds, because certificates are renewed while
 * the agent runs. New connections get the new certificate; open ones keep theirs. A pair that cannot be used, such as one
 * that is half written, is reported once and the last one stays in use.
 */
import { readFileSync } from "node:fs";
import type { Server } from "node:https";
import { createSecureContext } from "node:tls";
import type { CertificateFiles } from "../config/listeners.ts";
import { messageOf } from "../errors/caught.ts";
import { OperatorError } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** Authorities of client certificates, if clients are asked for one. */
  readonly ca?: string;
}

const checkMs = 2_000;

/** @throws OperatorError TLS_FAILED if the files cannot be read or do not fit together */
export function readCertificate(files: CertificateFiles): Certificate {
  try {
    return usableCertificate(files);
  } catch (cause) {
    throw new OperatorError({
      code: "TLS_FAILED",
      attempt: `serve HTTPS with the certificate ${files.cert} and the key ${files.key}${files.clientCa === undefined ? "" : `, and check clients with ${files.clientCa}`}`,
      reason: messageOf(cause),
      remedy:
        "set api.tls.cert and api.tls.key to PEM files that belong together and that the agent may read, and api.tls.client_ca to such a file or to nothing",
      cause,
    });
  }
}

function usableCertificate({ cert, key, clientCa }: CertificateFiles): Certificate {
  const certificate = {
    cert: readFileSync(cert, "utf8"),
    key: readFileSync(key, "utf8"),
    ...(clientCa === undefined ? {} : { ca: readFileSync(clientCa, "utf8") }),
  };
  createSecureContext(certificate);
  return certificate;
}

/** Until disposed of, gives the server the certificate that the files contain. */
export function followCertificate(
  server: Server,
  files: CertificateFiles,
  initial: Certificate,
  logger: Logger,
): Disposable {
  let current = initial;
  let reported: string | undefined;
  const check = (): void => {
    try {
      const found = usableCertificate(files);
      reported = undefined;
      if (found.cert === current.cert && found.key === current.key && found.ca === current.ca) return;
      server.setSecureContext(found);
      current = found;
      logger.info({ cert: files.cert }, "new HTTPS connections use the renewed certificate");
    } catch (error) {
      const reason = messageOf(error);
      if (reason === reported) return;
      reported = reason;
      logger.warn(
        { cert: files.cert, key: files.key, error },
        "kept the old HTTPS certificate: the new one cannot be used",
      );
    }
  };
  const timer = setInterval(check, checkMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
