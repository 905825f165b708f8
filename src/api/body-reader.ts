/** Reads the body of a request as bytes. What it takes in memory while it arrives is part of a room (body-room.ts). */
import type { IncomingMessage } from "node:http";
import type { BodyRoom, RoomBody } from "./body-room.ts";

export type ReadBody =
  | { readonly kind: "read"; readonly bytes: Buffer }
  | { readonly kind: "too large" }
  | { readonly kind: "no room" }
  | { readonly kind: "incomplete" };

export interface BodyBounds {
  /** Of this body. */
  readonly bytesMax: number;
  readonly room: BodyRoom;
  /** Whose part of the room it takes. */
  readonly caller: string;
}

/** Anything but a whole body is known as soon as possible, and what is still to come of it is dropped. */
export function readBody(
  message: IncomingMessage,
  { bytesMax, room, caller }: BodyBounds,
): Promise<ReadBody> {
  const { promise, resolve } = Promise.withResolvers<ReadBody>();
  if (message.complete && message.readableLength === 0)
    return Promise.resolve({ kind: "read", bytes: Buffer.alloc(0) });
  // The connection broke, or the rest of the body was malformed, before anybody asked for it: no event would follow.
  if (message.destroyed) return Promise.resolve({ kind: "incomplete" });
  const announced = message.headers["content-length"];
  const announcedBytes = announced === undefined ? undefined : Number(announced);
  const end = (body: ReadBody): void => {
    room.close(arriving);
    message.off("data", add).off("end", complete).off("close", incomplete).off("error", incomplete);
    message.on("error", () => {}).resume();
    resolve(body);
  };
  const arriving = room.open(caller, () => end({ kind: "no room" }));
  const bytes = new ArrivingBytes(room, arriving, announcedBytes ?? bytesMax);
  const add = (chunk: Buffer): void => {
    if (bytes.length + chunk.length > bytesMax) end({ kind: "too large" });
    else bytes.add(chunk);
  };
  const complete = (): void => end({ kind: "read", bytes: bytes.whole });
  const incomplete = (): void => end({ kind: "incomplete" });
  if (announcedBytes !== undefined && announcedBytes > bytesMax) end({ kind: "too large" });
  else if (announcedBytes !== undefined && room.isTooMuch(arriving, announcedBytes)) end({ kind: "no room" });
  else message.on("data", add).on("end", complete).on("close", incomplete).on("error", incomplete);
  return promise;
}

/**
 * One piece of memory, which grows. A list of the chunks would let a client that sends a byte at a time take a hundred times what
 * it sends.
 */
class ArrivingBytes {
  readonly #room: BodyRoom;
  readonly #body: RoomBody;
  readonly #lengthMax: number;
  #memory: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(room: BodyRoom, body: RoomBody, lengthMax: number) {
    this.#room = room;
    this.#body = body;
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#length;
  }

  get whole(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  /** Without effect if there is no room; the body was dropped then. */
  add(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (this.#length === 0) {
      // Most bodies come in one chunk.
      if (!this.#room.grow(this.#body, chunk.length)) return;
      this.#memory = chunk;
    } else {
      if (length > this.#memory.length && !this.#enlarge(length)) return;
      this.#memory.set(chunk, this.#length);
    }
    this.#length = length;
  }

  #enlarge(neededLength: number): boolean {
    const capacity = Math.max(neededLength, Math.min(2 * neededLength, this.#lengthMax));
    if (!this.#room.grow(this.#body, capacity - this.#memory.length)) return false;
    const memory = Buffer.allocUnsafeSlow(capacity);
    memory.set(this.whole);
    this.#memory = memory;
    return true;
  }
}
