/** What waits for one client, without a network: a socket that takes as much as the test lets it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Outgoing, type FrameSocket } from "../../../src/api/websocket/outgoing.ts";

const limits = { waitingMax: 100, waitingBytesMax: 100_000, stalledMsMax: 30_000 };

/** Holds what it is sent until the test takes it, as a kernel does for a client that does not read. */
class HeldSocket implements FrameSocket {
  bufferedAmount = 0;
  readonly taken: string[] = [];
  readonly #held: { readonly data: Buffer; readonly done: (error?: Error) => void }[] = [];

  send(data: Buffer, _options: unknown, done: (error?: Error) => void): void {
    this.bufferedAmount += data.length;
    this.#held.push({ data, done });
  }

  /** @returns whether there was something */
  take(): boolean {
    const first = this.#held.shift();
    if (first === undefined) return false;
    this.bufferedAmount -= first.data.length;
    this.taken.push(first.data.toString());
    first.done();
    return true;
  }
}

test("whatever the sizes and the pace, all frames leave in their order, and few of them wait in the socket", () => {
  const sizes = fc.array(fc.nat(20_000), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), sizes, fc.nat(10)), { maxLength: 20 }), (steps) => {
      const socket = new HeldSocket();
      const outgoing = new Outgoing(socket, limits, { monotonicMs: () => 0 });
      const sent: string[] = [];
      for (const [isState, lengths, takes] of steps) {
        const frames = lengths.map((length, index) => Buffer.from(`${sent.length + index}:`.padEnd(length)));
        sent.push(...frames.map(String));
        if (isState) outgoing.sendState(frames);
        else for (const frame of frames) outgoing.send(frame);
        for (let n = 0; n < takes; n += 1) socket.take();
        expect(socket.bufferedAmount).toBeLessThan(32 * 1024 + 20_000);
      }
      while (socket.take()) {
        // Until nothing is left.
      }
      expect(socket.taken).toEqual(sent);
    }),
  );
});

test("too many frames, or too many bytes, are too much; the state of many rules is not", () => {
  const clock = { monotonicMs: () => 0 };
  const small = new Outgoing(new HeldSocket(), limits, clock);
  for (let n = 0; n < 100; n += 1) small.send(Buffer.alloc(1_000));
  expect(small.isTooSlow).toBe(false);
  for (let n = 0; n < 100; n += 1) small.send(Buffer.alloc(1));
  expect(small.isTooSlow).toBe(true);

  const large = new Outgoing(new HeldSocket(), limits, clock);
  for (let n = 0; n < 20; n += 1) large.send(Buffer.alloc(10_000));
  expect(large.isTooSlow).toBe(true);

  const state = new Outgoing(new HeldSocket(), limits, clock);
  state.sendState(Array.from({ length: 10_000 }, () => Buffer.alloc(1_000)));
  expect(state.isTooSlow).toBe(false);
});

test("a client that takes nothing for a while is too slow; one that has nothing to take is not", () => {
  let nowMs = 0;
  const socket = new HeldSocket();
  const outgoing = new Outgoing(socket, limits, { monotonicMs: () => nowMs });
  nowMs = 100_000;
  expect(outgoing.isTooSlow).toBe(false);

  outgoing.send(Buffer.from("one"));
  outgoing.send(Buffer.from("two"));
  nowMs += 30_000;
  expect(outgoing.isTooSlow).toBe(false);
  socket.take();
  nowMs += 30_000;
  expect(outgoing.isTooSlow).toBe(false);
  nowMs += 1;
  expect(outgoing.isTooSlow).toBe(true);
});
