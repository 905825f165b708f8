/**
 * Rules over WebSocket, for sensors: admits clients, watches over them, and lets them go.
 *
 *     upgrade ──▶ token ──▶ handshake ──▶ Client (client.ts) ──▶ RuleFeed (rule-feed.ts)
 *
 * Errors before the handshake are answered over HTTP, in the API's usual form. While clients are connected, a loop runs
 * once a second: it disconnects clients whose token has expired and clients that read too slowly. Tokens are verified
 * again after a revocation, and at intervals. A client that does not answer pings is disconnected.
 *
 * `ws` is loaded when the first client connects.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import { settlesWithin } from "../../concurrency/settles-within.ts";
import { sliceWork, WorkSlices } from "../../concurrency/work-slices.ts";
import type { RequestErrorCode } from "../../errors/catalogue.ts";
import type { Caller } from "../../model/identity/caller.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";
import type { Authenticate } from "../authentication.ts";
import { refuseUpgrade } from "../errors.ts";
import { Client, type Disconnection } from "./client.ts";
import { handshakeToken, selectProtocol } from "./handshake.ts";
import type { OutgoingLimits } from "./outgoing.ts";
import type { RuleFeed } from "./rule-feed.ts";

export interface RuleNotificationsOptions {
  readonly feed: Pick<RuleFeed, "follow" | "unfollow">;
  readonly limits?: Partial<OutgoingLimits>;
  readonly clientsMax?: number;
  /** Of one login. */
  readonly clientsPerCallerMax?: number;
  readonly pingIntervalMs?: number;
  /** A client was disconnected. */
  readonly onDisconnected: (reason: Disconnection) => void;
  readonly logger: Logger;
  readonly clock: Clock;
}

interface Connected {
  readonly login: string;
  /** Null: not a sensor. */
  readonly sensorRef: string | null;
  readonly client: Client;
  readonly verify: () => Promise<boolean>;
}

const limitsUsual: OutgoingLimits = {
  waitingMax: 20_000,
  waitingBytesMax: 8 * 1024 * 1024,
  stalledMsMax: 30_000,
};
/** Fewer than connections the server takes, so that requests still get through. */
const clientsMaxUsual = 8_000;
/** So that one caller cannot take the place of all others. A sensor's program has one. */
const clientsPerCallerMaxUsual = 100;
const clientMessageBytesMax = 16 * 1024;
const watchIntervalMs = 1_000;
const pingIntervalUsualMs = 30_000;
/** What a revocation's notification announces may reach the verification a moment after us. */
const verifyForMs = 3_000;
const closeMsMax = 1_500;
/** About 200 tokens a slice. */
const workPerToken = sliceWork / 200;

export class RuleNotifications {
  readonly #options: RuleNotificationsOptions;
  readonly #clients = new Set<Connected>();
  #server: Promise<WebSocketServer> | undefined;
  #watching: Promise<void> | undefined;
  #verifying: Promise<void> | undefined;
  readonly #slices = new WorkSlices();
  readonly #stopping = new AbortController();
  #verifyUntilMs = -Infinity;
  #onEmpty: () => void = () => {};

  constructor(options: RuleNotificationsOptions) {
    this.#options = options;
  }

  /** How many clients are connected. */
  get count(): number {
    return this.#clients.size;
  }

  /** How many of them are programs of this sensor. */
  countOf(sensorRef: string): number {
    let count = 0;
    for (const connected of this.#clients) if (connected.sensorRef === sensorRef) count += 1;
    return count;
  }

  #countOfLogin(login: string): number {
    let count = 0;
    for (const connected of this.#clients) if (connected.login === login) count += 1;
    return count;
  }

  /** A hint that tokens may have been revoked. */
  wake(): void {
    // Also for a client whose token has been verified and that is not connected yet.
    this.#verifyUntilMs = this.#options.clock.monotonicMs() + verifyForMs;
    if (this.#clients.size > 0) void this.#verify();
  }

  /** Answers the upgrades of this server, which passes only those that isWebSocketRequest recognises. */
  serve(server: Server, authenticate: Authenticate): void {
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      // A client that leaves meanwhile is no fault.
      socket.on("error", () => socket.destroy());
      this.#admit(request, socket, head, authenticate).catch((error: unknown) => {
        this.#options.logger.error({ error }, "could not admit a WebSocket client");
        refuseUpgrade(socket, "INTERNAL_ERROR");
      });
    });
  }

  /** Says goodbye to everyone. */
  async close(): Promise<void> {
    this.#stopping.abort();
    const gone = Promise.withResolvers<void>();
    this.#onEmpty = gone.resolve;
    for (const { client } of this.#clients) client.disconnect("stopping");
    if (this.#clients.size > 0) await settlesWithin(gone.promise, closeMsMax);
    await this.#watching;
  }

  async #admit(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    authenticate: Authenticate,
  ): Promise<void> {
    const { clientsMax = clientsMaxUsual, clientsPerCallerMax = clientsPerCallerMaxUsual } = this.#options;
    const refuse = (code: RequestErrorCode, message?: string): void => refuseUpgrade(socket, code, message);
    const token = handshakeToken(request);
    if (token === undefined) {
      return refuse(
        "UNAUTHORIZED",
        "Send a token: Authorization: Bearer …, or the sub-protocol attune.jwt.<token>.",
      );
    }
    const admitted = await this.#callerOf(token, authenticate);
    if (admitted.kind === "unknown") return refuse("UNAVAILABLE");
    if (admitted.caller === undefined) {
      return refuse("UNAUTHORIZED", "The token is not valid, or not any more.");
    }
    if (this.#stopping.signal.aborted) return refuse("UNAVAILABLE", "The agent is stopping.");
    if (this.#clients.size >= clientsMax) return refuse("UNAVAILABLE", "Too many clients are connected.");
    const { caller } = admitted;
    const server = await this.#webSocketServer();
    if (this.#countOfLogin(caller.login) >= clientsPerCallerMax) {
      return refuse("TOO_MANY_REQUESTS", `${caller.login} has ${clientsPerCallerMax} connections already.`);
    }
    server.handleUpgrade(request, socket, head, (webSocket) => {
      const { feed, limits, clock, onDisconnected } = this.#options;
      const client = new Client({
        socket: webSocket,
        caller,
        feed,
        limits: { ...limitsUsual, ...limits },
        clock,
        onGone: (reason) => {
          this.#clients.delete(connected);
          if (reason !== undefined) onDisconnected(reason);
          if (this.#clients.size === 0) this.#onEmpty();
        },
      });
      const connected: Connected = {
        login: caller.login,
        sensorRef: caller.role === "sensor" ? caller.grant.sensorRef : null,
        client,
        verify: async () => {
          const now = await this.#callerOf(token, authenticate);
          return now.kind === "unknown" || now.caller !== undefined;
        },
      };
      this.#clients.add(connected);
      if (this.#stopping.signal.aborted) client.disconnect("stopping");
      this.#watching ??= this.#watch();
    });
  }

  async #callerOf(
    token: string,
    authenticate: Authenticate,
  ): Promise<{ readonly kind: "known"; readonly caller: Caller | undefined } | { readonly kind: "unknown" }> {
    try {
      return { kind: "known", caller: await authenticate(token) };
    } catch (error) {
      this.#options.logger.debug({ error }, "could not verify a WebSocket client's token");
      return { kind: "unknown" };
    }
  }

  #webSocketServer(): Promise<WebSocketServer> {
    this.#server ??= openWebSocketServer();
    return this.#server;
  }

  async #watch(): Promise<void> {
    const { clock, pingIntervalMs = pingIntervalUsualMs } = this.#options;
    const { signal } = this.#stopping;
    let pingedAtMs = clock.monotonicMs();
    while (this.#clients.size > 0 && !signal.aborted) {
      await clock.sleep(watchIntervalMs, signal);
      const isPingDue = clock.monotonicMs() - pingedAtMs >= pingIntervalMs;
      if (isPingDue) pingedAtMs = clock.monotonicMs();
      this.#check(isPingDue);
      if (isPingDue || clock.monotonicMs() < this.#verifyUntilMs) await this.#verify();
    }
    this.#watching = undefined;
  }

  #check(isPingDue: boolean): void {
    const nowMs = this.#options.clock.nowMs();
    for (const { client } of this.#clients) {
      if (client.expiresAtMs <= nowMs) client.disconnect("unauthorized");
      else if (isPingDue) client.ping();
      client.check();
    }
  }

  /** One at a time; what is announced meanwhile is for the next second's. */
  #verify(): Promise<void> {
    this.#verifying ??= this.#verifyAll().finally(() => (this.#verifying = undefined));
    return this.#verifying;
  }

  async #verifyAll(): Promise<void> {
    for (const { client, verify } of this.#clients) {
      if (!(await verify())) client.disconnect("unauthorized");
      // Answers come from memory, and so without a turn for anything else.
      await this.#slices.spend(workPerToken);
    }
  }
}

async function openWebSocketServer(): Promise<WebSocketServer> {
  const ws = await import("ws");
  const server = new ws.WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: clientMessageBytesMax,
    maxFragments: 16,
    perMessageDeflate: false,
    handleProtocols: selectProtocol,
  });
  server.on("wsClientError", (error, socket) => {
    refuseUpgrade(socket, "BAD_REQUEST", `The WebSocket handshake cannot be used: ${error.message}.`);
  });
  return server;
}
