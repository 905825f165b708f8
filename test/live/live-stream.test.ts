import { expect, test } from "vitest";
import { LiveStream, type Viewer } from "../../src/live/live-stream.ts";
import type { LiveReport } from "../../src/live/live-report.ts";
import { systemClock } from "../../src/time/clock.ts";

const instance = "11111111-1111-4111-8111-111111111111";

function open() {
  const watched: boolean[] = [];
  let fleetReads = 0;
  const stream = new LiveStream({
    instance,
    onWatched: (isWatched) => watched.push(isWatched),
    fleet: async () => {
      fleetReads += 1;
      return undefined;
    },
    clock: systemClock,
  });
  return { stream, watched, fleetReads: () => fleetReads };
}

/** Takes everything at once, or nothing until `take` is called. */
class TestViewer implements Viewer {
  readonly frames: Buffer[] = [];
  isSlow = false;
  #waiting = 0;

  readonly send = (frame: Buffer): number => {
    this.frames.push(frame);
    if (this.isSlow) this.#waiting += frame.length;
    return this.#waiting;
  };

  readonly waitingBytes = (): number => this.#waiting;

  take(): void {
    this.#waiting = 0;
    this.isSlow = false;
  }

  get kinds(): string[] {
    return this.frames.map((frame) => /event: (\w+)/.exec(frame.toString())?.[1] ?? "");
  }

  get lastId(): string {
    return /id: (\S+)/.exec(this.frames.at(-1)?.toString() ?? "")?.[1] ?? "";
  }
}

function reportOf(instanceOfReport: string, parts: Partial<LiveReport>): LiveReport {
  const none = new Map<string, number>();
  return {
    instance: instanceOfReport,
    events: 0,
    enforcements: 0,
    sensors: none,
    triggers: none,
    rules: none,
    entries: [],
    changed: [],
    history: [],
    ...parts,
  };
}

function dataOf(frame: Buffer | undefined): Record<string, unknown> {
  return JSON.parse(/data: (.*)/.exec(frame?.toString() ?? "")?.[1] ?? "{}") as Record<string, unknown>;
}

test("a hundred viewers get the same bytes, and the database is asked as for one", () => {
  const one = open();
  const many = open();
  using _ = one.stream.open(new TestViewer(), undefined);
  const viewers = Array.from({ length: 100 }, () => new TestViewer());
  for (const viewer of viewers) many.stream.open(viewer, undefined);

  for (let second = 0; second < 10; second += 1) {
    one.stream.tick();
    many.stream.tick();
  }

  expect(new Set(viewers.map(({ frames }) => frames.at(-1))).size).toBe(1);
  expect(many.fleetReads()).toBe(one.fleetReads());
});

test("numbers of all agents are added up", () => {
  const { stream } = open();
  const viewer = new TestViewer();
  using _ = stream.open(viewer, undefined);

  stream.note(reportOf("a", { events: 3, sensors: new Map([["p.one", 3]]) }));
  stream.note(
    reportOf("b", {
      events: 4,
      sensors: new Map([
        ["p.one", 1],
        ["p.two", 3],
      ]),
    }),
  );
  stream.tick();

  expect(dataOf(viewer.frames.at(-1))).toMatchObject({
    events: 7,
    sensors: { "p.one": 4, "p.two": 3 },
    workers: 2,
  });
});

test("a viewer that comes back gets what it missed, and a snapshot if that was too much", () => {
  const { stream } = open();
  const first = new TestViewer();
  using _ = stream.open(new TestViewer(), undefined);
  const following = stream.open(first, undefined);
  stream.tick();
  following[Symbol.dispose]();
  stream.tick();
  stream.tick();

  const back = new TestViewer();
  stream.open(back, first.lastId)[Symbol.dispose]();
  for (let second = 0; second < 100; second += 1) stream.tick();
  const late = new TestViewer();
  stream.open(late, first.lastId)[Symbol.dispose]();
  const ofAnother = new TestViewer();
  stream.open(ofAnother, "another.3")[Symbol.dispose]();

  expect(back.kinds).toEqual(["tick", "tick"]);
  expect(late.kinds).toEqual(["snapshot"]);
  expect(ofAnother.kinds).toEqual(["snapshot"]);
});

test("nothing grows with a viewer that does not read, and it gets a snapshot when it reads again", () => {
  const { stream } = open();
  const slow = new TestViewer();
  using _ = stream.open(slow, undefined);
  slow.isSlow = true;
  const entries = Array.from({ length: 20 }, (_each, index) => ({
    id: String(index),
    atMs: 0,
    triggerRef: "p.seen",
    sensorRef: null,
    excerpt: "x".repeat(140),
  }));
  for (let second = 0; second < 500; second += 1) {
    stream.note(reportOf("a", { entries }));
    stream.tick();
  }
  const sentWhileSlow = slow.frames.length;
  slow.take();
  stream.tick();
  stream.tick();

  expect(slow.waitingBytes()).toBe(0);
  expect(sentWhileSlow).toBeLessThan(200);
  expect(slow.kinds.slice(sentWhileSlow)).toEqual(["snapshot", "tick"]);
});

test("an agent's history counts once, however often it is reported, and again for a page that is reloaded", () => {
  const { stream } = open();
  const note = (): void => stream.note(reportOf("a", { history: [[50, 5]] }));
  const first = new TestViewer();
  const following = stream.open(first, undefined);
  note();
  stream.tick();
  note();
  stream.tick();
  following[Symbol.dispose]();
  const again = new TestViewer();
  using _ = stream.open(again, undefined);
  note();
  stream.tick();

  expect(first.kinds).toEqual(["snapshot", "snapshot", "tick"]);
  expect(dataOf(again.frames.at(-1))).toMatchObject({ events: [10, 10, 10, 10, 10, 0] });
});

test("what agents did before somebody looked is in the snapshot that follows", () => {
  const { stream, watched } = open();
  const viewer = new TestViewer();
  const following = stream.open(viewer, undefined);
  stream.note(reportOf("a", { history: [[50, 5]] }));
  stream.note(reportOf("b", { history: [[50, 0]] }));
  stream.tick();
  following[Symbol.dispose]();

  expect(dataOf(viewer.frames.at(-1))).toMatchObject({ events: [20, 20, 20, 20, 20, 0] });
  expect(watched).toEqual([true, false]);
});

// Goal: whoever opens a page sees each event once, also of an agent that was reporting to others already.
// Method: its history arrives behind two of its reports, and holds what they told.
test("what an agent reported before its history counts once, at its time", () => {
  const { stream } = open();
  const viewer = new TestViewer();
  using _ = stream.open(viewer, undefined);

  for (const events of [3, 4]) {
    stream.note(reportOf("a", { events }));
    stream.note(reportOf("b", { events: 1 }));
    stream.tick();
  }
  stream.note(
    reportOf("a", {
      events: 2,
      enforcements: 1,
      history: [
        [50, 5],
        [5, 0],
        [12, 0],
      ],
    }),
  );
  stream.tick();

  const { events, enforcements } = dataOf(viewer.frames.at(-1)) as Record<string, number[]>;
  const sum = (counts: readonly number[] = []): number => counts.reduce((all, count) => all + count, 0);
  expect(sum(events)).toBeCloseTo(50 + 5 + 12 + 2 + 2);
  expect(sum(enforcements)).toBeCloseTo(6);
  // The history ends with the tick before the one that it came with.
  expect(events?.slice(0, 5)).toEqual([10, 10, 10, 10, 10]);
  expect(events?.slice(-3)).toEqual([3 + 1 + 1, 4 + 1 + 1, 2]);
});
