/**
 * Connections that the agent closes because it cannot serve them: counted by reason, and logged where an operator can do
 * something about it. Anyone can cause them, so the log gets a line a minute at most for failed handshakes.
 */
import type { Logger } from "../telemetry/logger.ts";
import { OutageLog } from "../telemetry/outage-log.ts";
import { systemClock, type Clock } from "../time/clock.ts";

export type ConnectionRefusal =
  /** Too many are open. */
  | "limit"
  /** Its TLS handshake failed or took too long. */
  | "handshake"
  /** Its request took too long to arrive. */
  | "timeout"
  /** What arrived is no HTTP, or has headers that are too long. */
  | "malformed"
  /** The client takes nothing of an answer. */
  | "unread"
  /** Too many of its requests, or of all, wait for the one before them. */
  | "pipelined";

export interface ConnectionRefusalsOptions {
  readonly connectionsMax: number;
  readonly logger: Logger;
  readonly count?: ((reason: ConnectionRefusal) => void) | undefined;
  readonly clock?: Clock;
}

const handshakeLineMs = 60_000;

export class ConnectionRefusals {
  readonly #options: ConnectionRefusalsOptions;
  readonly #clock: Clock;
  readonly #shortage: OutageLog;
  #handshakeLineAtMs = -Infinity;
  #handshakesFailed = 0;

  constructor(options: ConnectionRefusalsOptions) {
    const { connectionsMax, logger, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#shortage = new OutageLog(
      {
        begins: `closes new HTTP connections: ${connectionsMax} are open`,
        ends: "accepts new HTTP connections again",
      },
      { logger, clock },
    );
  }

  accepted(): void {
    this.#shortage.recovered();
  }

  overLimit(): void {
    this.#options.count?.("limit");
    this.#shortage.failed({});
  }

  handshakeFailed(error: Error & { readonly code?: string }, remoteAddress: string | undefined): void {
    // The client left, as probes of load balancers do, which only open a connection.
    if (error.code === "ECONNRESET") return;
    const { count, logger } = this.#options;
    count?.("handshake");
    this.#handshakesFailed += 1;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#handshakeLineAtMs < handshakeLineMs) return;
    logger.info(
      {
        reason: error.code ?? error.message,
        remote_address: remoteAddress,
        handshakes: this.#handshakesFailed,
      },
      error.code === "ERR_SSL_HTTP_REQUEST"
        ? "a client sent plain HTTP to the HTTPS port"
        : "a client's TLS handshake failed",
    );
    this.#handshakeLineAtMs = nowMs;
    this.#handshakesFailed = 0;
  }

  answersUnread(reason: "unread" | "pipelined"): void {
    this.#options.count?.(reason);
  }

  requestUnreadable(code: string | undefined): void {
    this.#options.count?.(code === "ERR_HTTP_REQUEST_TIMEOUT" ? "timeout" : "malformed");
  }
}
