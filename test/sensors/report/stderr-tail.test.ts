import { expect, test } from "vitest";
import { StderrTail } from "../../../src/sensors/report/stderr-tail.ts";

const frames = Array.from({ length: 40 }, (_, index) => `  at frame ${index + 1}`);

test("of a long stack trace the reason is kept, whether it begins or ends the trace", () => {
  for (const trace of [
    ["panic: no probe", ...frames],
    [...frames, "KeyError: no probe"],
  ]) {
    const tail = new StderrTail();
    tail.push(["starting"], 0);
    for (const [index, line] of trace.entries()) tail.push([line], 5_000 + index);

    const lines = tail.lines();

    expect(lines).toHaveLength(20);
    expect(lines).toEqual([...trace.slice(0, 5), "(22 lines are left out)", ...trace.slice(-14)]);
  }
});

test("short output is kept as it is, with what was printed before", () => {
  const tail = new StderrTail();
  tail.push(["starting", "reading"], 0);
  tail.push(["no probe"], 5_000);

  expect(tail.lines()).toEqual(["starting", "reading", "no probe"]);
});

test("lines at intervals are a log, of which the newest are kept", () => {
  const tail = new StderrTail();
  for (const [index, line] of frames.entries()) tail.push([line], index * 1_000);

  expect(tail.lines()).toEqual(frames.slice(-20));
});

test("the trace of an earlier run is forgotten", () => {
  const tail = new StderrTail();
  tail.push(["panic: no probe", ...frames], 0);
  tail.clear();
  tail.push(["panic: no disk"], 50);

  expect(tail.lines()).toEqual(["panic: no disk"]);
});
