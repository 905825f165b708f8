/**
 * One connected client: what it follows, what it may follow, and why it is disconnected.
 *
 *     open ──disconnect, or its own end──▶ closed
 */
import { randomUUID } from "node:crypto";
import type { RawData, WebSocket } from "ws";
import type { Caller } from "../../model/identity/caller.ts";
import type { Clock } from "../../time/clock.ts";
import { errorFrame, pongFrame, readClientMessage, unauthorizedFrame, welcomeFrame } from "./frames.ts";
import { Outgoing, type OutgoingLimits } from "./outgoing.ts";
import type { Follower, RuleFeed } from "./rule-feed.ts";

/** Why a client was disconnected, with the close code that tells it. */
export const disconnections = {
  /** Its token has expired or was revoked. */
  unauthorized: { code: 4401, text: "the token is not valid any more" },
  slow: { code: 4408, text: "messages are not read fast enough" },
  unresponsive: { code: 4408, text: "pings are not answered" },
  misuse: { code: 1008, text: "too many messages" },
  start_over: { code: 1012, text: "connect again to learn the state of the rules" },
  stopping: { code: 1001, text: "the agent is stopping" },
} as const;

export type Disconnection = keyof typeof disconnections;

export interface ClientOptions {
  readonly socket: WebSocket;
  readonly caller: Caller;
  readonly feed: Pick<RuleFeed, "follow" | "unfollow">;
  readonly limits: OutgoingLimits;
  readonly clock: Clock;
  /** Called once; undefined: the client closed the connection. */
  readonly onGone: (reason: Disconnection | undefined) => void;
}

const subscriptionsMax = 1_000;
const refLengthMax = 256;
/** A second. */
const messagesMax = 200;
/** A client that does not read cannot read why it is disconnected, either. */
const goodbyeMs = 1_000;

export class Client implements Follower {
  readonly #options: ClientOptions;
  readonly #outgoing: Outgoing;
  readonly #triggers = new Set<string>();
  #messages = 0;
  #isAnswering = true;
  #reason: Disconnection | undefined;

  constructor(options: ClientOptions) {
    const { socket, limits, clock } = options;
    this.#options = options;
    this.#outgoing = new Outgoing(socket, limits, clock);
    socket.on("message", (data) => this.#receive(data));
    socket.on("pong", () => (this.#isAnswering = true));
    // What goes wrong ends the connection, and the close says so.
    socket.on("error", () => {});
    socket.once("close", () => this.#end());
    this.send(welcomeFrame(randomUUID(), "Connected to rule notifications"));
  }

  get expiresAtMs(): number {
    return this.#options.caller.expiresAtMs;
  }

  send(frame: Buffer): void {
    this.#outgoing.send(frame);
    this.#watchPace();
  }

  sendState(frames: readonly Buffer[]): void {
    this.#outgoing.sendState(frames);
    this.#watchPace();
  }

  startOver(): void {
    this.disconnect("start_over");
  }

  /** Called about once a second. */
  check(): void {
    this.#messages = 0;
    this.#watchPace();
  }

  /** Disconnects a client that has not answered the last ping. */
  ping(): void {
    if (!this.#isAnswering) return this.disconnect("unresponsive");
    this.#isAnswering = false;
    this.#options.socket.ping();
  }

  disconnect(reason: Disconnection): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#unfollowAll();
    const { socket } = this.#options;
    const { code, text } = disconnections[reason];
    socket.close(code, text);
    setTimeout(() => socket.terminate(), goodbyeMs).unref();
  }

  #receive(data: RawData): void {
    if (this.#reason !== undefined) return;
    this.#messages += 1;
    if (this.#messages > messagesMax) return this.disconnect("misuse");
    const message = readClientMessage(Buffer.isBuffer(data) ? data.toString() : "");
    switch (message.kind) {
      case "ping":
        return this.send(pongFrame);
      case "unusable":
        return this.send(errorFrame(`Invalid message: ${message.problem}`));
      case "subscribe":
        return this.#subscribe(message.triggerRef);
      case "unsubscribe":
        return this.#unsubscribe(message.triggerRef);
    }
  }

  #subscribe(triggerRef: string): void {
    if (!mayFollow(this.#options.caller, triggerRef)) return this.send(unauthorizedFrame);
    if (triggerRef.length > refLengthMax || triggerRef.includes("\0")) {
      return this.send(errorFrame("Invalid filter: there is no trigger with such a ref"));
    }
    if (!this.#triggers.has(triggerRef) && this.#triggers.size >= subscriptionsMax) {
      return this.send(errorFrame(`Invalid filter: at most ${subscriptionsMax} triggers can be followed`));
    }
    this.#triggers.add(triggerRef);
    this.#options.feed.follow(triggerRef, this);
  }

  #unsubscribe(triggerRef: string): void {
    if (this.#triggers.delete(triggerRef)) this.#options.feed.unfollow(triggerRef, this);
  }

  #watchPace(): void {
    if (this.#outgoing.isTooSlow) this.disconnect("slow");
  }

  #unfollowAll(): void {
    for (const triggerRef of this.#triggers) this.#options.feed.unfollow(triggerRef, this);
    this.#triggers.clear();
  }

  #end(): void {
    this.#unfollowAll();
    this.#options.onGone(this.#reason);
  }
}

function mayFollow(caller: Caller, triggerRef: string): boolean {
  switch (caller.role) {
    case "admin":
    case "viewer":
      return true;
    case "sensor":
      return caller.grant.triggerRefs.includes(triggerRef);
    case "worker":
      return false;
  }
}
