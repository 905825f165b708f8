/**
 * Explains to an operator why a connection to a server failed. Network and TLS failures are the same for the
 * database and the broker; the servers' own errors are explained in their client code.
 */
import type { ErrorCode } from "./catalogue.ts";

/** What an operator needs to know about a failure, besides what was attempted and on what. */
export interface Explanation {
  readonly code: ErrorCode;
  readonly reason: string;
  readonly remedy: string;
}

/** A server and the settings for connecting to it. */
export interface ServerSettings {
  readonly server: "PostgreSQL" | "RabbitMQ";
  readonly url: "database.url" | "message_queue.url";
  readonly tls: "database.tls" | "message_queue.tls";
  readonly unreachable: "DATABASE_UNREACHABLE" | "BROKER_UNREACHABLE";
  /** The connection had worked before it failed, so the settings are right. */
  readonly hadWorked: boolean;
}

/** @returns undefined if neither the network nor TLS caused the failure */
export function explainConnectionFailure(error: unknown, settings: ServerSettings): Explanation | undefined {
  // One error for each address of the host name. They differ only in the address, or the first is enough.
  if (error instanceof AggregateError) {
    const explanations = error.errors.map((each) => explainConnectionFailure(each, settings));
    const [first] = explanations;
    if (first === undefined) return undefined;
    const reasons = explanations.map((each) => each?.reason ?? "");
    return { ...first, reason: [...new Set(reasons)].filter((each) => each !== "").join("; ") };
  }
  if (!(error instanceof Error)) return undefined;
  return explainNetwork(error, settings) ?? explainTls(error, settings);
}

function explainNetwork(error: NetworkError, settings: ServerSettings): Explanation | undefined {
  const { server, url, unreachable: code } = settings;
  switch (error.code) {
    case "ENOTFOUND":
      return {
        code,
        reason: `DNS has no such name: ${error.hostname ?? "unknown"}`,
        remedy: `correct the host in ${url}; some names exist only in another container or cluster`,
      };
    case "EAI_AGAIN":
      return {
        code,
        reason: `the name ${error.hostname ?? ""} could not be resolved: no DNS server answered`,
        remedy: `check this machine's network and DNS, and the host in ${url}`,
      };
    case "ECONNREFUSED":
      return {
        code,
        reason: `nothing listens on ${placeOf(error)}`,
        remedy: `check that ${server} is running there, and the host and port in ${url}; in a container, localhost is the container itself`,
      };
    case "ENOENT":
    case "EACCES":
      if (error.syscall !== "connect") return undefined;
      return {
        code,
        reason:
          error.code === "ENOENT"
            ? `the socket ${placeOf(error)} does not exist`
            : `this user may not connect to ${placeOf(error)}`,
        remedy: `check that ${server} is running there, and the host in ${url}`,
      };
    case "ETIMEDOUT":
      return timedOut(settings);
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return {
        code,
        reason: `there is no route to ${placeOf(error)}`,
        remedy: `check this machine's network, and the host in ${url}`,
      };
    case "ECONNRESET":
    case "EPIPE":
      return closedEarly(settings);
    default:
      return undefined;
  }
}

/** The connection was accepted, or at least not refused, but no answer came. */
export function timedOut({ server, url, unreachable: code }: ServerSettings): Explanation {
  return {
    code,
    reason: "it did not answer in time",
    remedy: `check that ${server} is running there, any firewalls, and the host and port in ${url}`,
  };
}

/** The server closed the connection instead of answering. */
export function closedEarly({ server, url, tls, unreachable: code, hadWorked }: ServerSettings): Explanation {
  if (hadWorked) {
    const remedy = `check that ${server} is running, its log, and the network in between`;
    return { code, reason: "the connection was lost", remedy };
  }
  return {
    code,
    reason: "it closed the connection without answering",
    remedy: `check that the host and port in ${url} are ${server}'s, and whether that port requires TLS (${tls})`,
  };
}

function explainTls(error: NetworkError, settings: ServerSettings): Explanation | undefined {
  const { tls, url } = settings;
  const found = tlsFailures.find(
    ({ codes, text }) => codes.test(error.code ?? "") || text?.test(error.message),
  );
  if (found === undefined) return undefined;
  return {
    code: "TLS_FAILED",
    reason: found.reason(error),
    remedy: found.remedy.replaceAll("{tls}", tls).replaceAll("{url}", url),
  };
}

interface TlsFailure {
  /** Error codes of Node and OpenSSL. */
  readonly codes: RegExp;
  /** Matches OpenSSL messages that have no code of their own. */
  readonly text?: RegExp;
  readonly reason: (error: NetworkError) => string;
  readonly remedy: string;
}

const tlsFailures: readonly TlsFailure[] = [
  {
    codes: /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|RECORD_LAYER_FAILURE)$/,
    text: /wrong version number|packet length too long/,
    reason: () => "that port does not speak TLS",
    remedy: "use the port that does, or connect without TLS: {url}, {tls}",
  },
  {
    codes:
      /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?|CERT_UNTRUSTED|INVALID_CA)$/,
    reason: ({ code }) =>
      code === "DEPTH_ZERO_SELF_SIGNED_CERT"
        ? "its certificate is self-signed and not trusted here"
        : "its certificate is signed by an authority that is not trusted here",
    remedy: "set {tls}.ca to the file with the authority's certificate",
  },
  {
    codes: /^CERT_HAS_EXPIRED$/,
    reason: () => "its certificate has expired",
    remedy: "renew the server's certificate, and check this machine's clock",
  },
  {
    codes: /^CERT_NOT_YET_VALID$/,
    reason: () => "its certificate is not valid yet",
    remedy: "check this machine's clock, and the server's certificate",
  },
  {
    codes: /^CERT_REVOKED$/,
    reason: () => "its certificate has been revoked",
    remedy: "give the server a new certificate",
  },
  {
    codes: /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    reason: ({ host, reason }) =>
      `its certificate is not for ${host ?? "this host"}: ${reason ?? "other names"}`,
    remedy: "use a host name from the certificate in {url}, or set {tls}.server_name to one",
  },
  {
    codes:
      /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(EXPIRED|REVOKED|UNKNOWN)|ACCESS_DENIED|DECRYPT_ERROR)$/,
    text: /alert (certificate required|handshake failure|bad certificate|unknown ca|certificate (expired|revoked|unknown)|access denied|decrypt error)/,
    reason: ({ code, message }) =>
      `it refused this client's certificate, or the lack of one (${alertOf(code, message)})`,
    remedy: "set {tls}.cert and {tls}.key to a client certificate that the server trusts",
  },
  {
    codes:
      /^ERR_SSL_(UNSUPPORTED_PROTOCOL|NO_PROTOCOLS_AVAILABLE|TLSV1_ALERT_PROTOCOL_VERSION|VERSION_TOO_LOW|NO_SHARED_CIPHER)$/,
    reason: () => "it supports only TLS versions or ciphers that are no longer accepted here",
    remedy: "enable TLS 1.2 or 1.3 on the server",
  },
  {
    codes: /^(ERR_SSL_|ERR_TLS_|ERR_OSSL_)|^EPROTO$/,
    text: /:error:[0-9A-F]{8}:/,
    reason: ({ message }) => `TLS failed: ${opensslWords(message)}`,
    remedy: "check what the port expects, and {tls}",
  },
];

function alertOf(code: string | undefined, message: string): string {
  const text = /ALERT_([A-Z_]+)$/.exec(code ?? "")?.[1] ?? /alert ([a-z ]+)/.exec(message)?.[1] ?? "alert";
  return text.toLowerCase().replaceAll("_", " ").trim();
}

/** Extracts the reason from "40BE0CCA007F0000:error:0A00010B:SSL routines:function:wrong version number:../file.c:78:". */
function opensslWords(message: string): string {
  return /:error:[0-9A-F]{8}:[^:]*:[^:]*:([^:]+)/.exec(message)?.[1] ?? message;
}

/** Properties that Node adds to errors of sockets, DNS and certificates. */
interface NetworkError extends Error {
  readonly code?: string;
  readonly syscall?: string;
  readonly hostname?: string;
  readonly address?: string;
  readonly port?: number;
  /** For certificates: the expected name, and the names that the certificate is for. */
  readonly host?: string;
  readonly reason?: string;
}

function placeOf({ address, port }: NetworkError): string {
  if (port === undefined || address === undefined) return address ?? "that address";
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
