import { expect, test, vi } from "vitest";
import { createLogSink } from "../../src/telemetry/log-sink.ts";

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A descriptor that fails while `broken` names an error, and takes at most `chunk` bytes at once. */
function descriptor(chunk = Infinity) {
  const state = { written: "", broken: undefined as string | undefined };
  const writeBytes = (bytes: Uint8Array): number => {
    if (state.broken !== undefined) throw failure(state.broken);
    const part = Buffer.from(bytes).subarray(0, chunk);
    state.written += part.toString();
    return part.length;
  };
  const sink = createLogSink({ writeBytes, describeLost: (lines) => `lost ${lines}\n` });
  return { state, sink };
}

test("a line has left when the call returns, however little is taken at once", () => {
  const { state, sink } = descriptor(3);

  sink.write("one line\n");

  expect(state.written).toBe("one line\n");
});

test("a slow reader gets every line later, in order", () => {
  vi.useFakeTimers();
  const { state, sink } = descriptor();
  state.broken = "EAGAIN";
  for (const line of ["a\n", "b\n"]) sink.write(line);
  expect(state.written).toBe("");

  state.broken = undefined;
  vi.advanceTimersByTime(100);
  sink.write("c\n");

  expect(state.written).toBe("a\nb\nc\n");
  vi.useRealTimers();
});

test("with a slow reader memory is bounded, and the gap is reported", () => {
  vi.useFakeTimers();
  const { state, sink } = descriptor();
  state.broken = "EAGAIN";
  const line = `${"x".repeat(1023)}\n`;
  for (let n = 0; n < 1_024 + 5; n += 1) sink.write(line);

  state.broken = undefined;
  vi.advanceTimersByTime(100);
  sink.write("after\n");

  expect(state.written.length).toBe(1_048_576 + "after\nlost 5\n".length);
  expect(state.written.endsWith("after\nlost 5\n")).toBe(true);
  vi.useRealTimers();
});

test.each(["EPIPE", "ENOSPC", "EIO"])("%s costs lines and not the process", (code) => {
  const { state, sink } = descriptor();
  state.broken = code;
  for (const line of ["a\n", "b\n"]) sink.write(line);

  state.broken = undefined;
  sink.write("c\n");

  expect(state.written).toBe("c\nlost 2\n");
});
