import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import type { FileSystem, WatchListener } from "../../../src/sensors/files/file-system.ts";
import type { BuiltinSubmission } from "../../../src/sensors/sources/source.ts";
import { fileRig } from "./file-rig.ts";

const soon = { timeout: 15_000, interval: 20 };
const nobody = 65_534;

/** A folder's events stop after so many, without a word, as when the kernel's queue is full. */
function deafAfter(countMax: number): (real: FileSystem) => FileSystem {
  return (real) => ({
    ...real,
    watch(folder, { onEvent, onFailure }) {
      let count = 0;
      const listener: WatchListener = {
        onEvent: (name) => {
          count += 1;
          if (count <= countMax) onEvent(name);
        },
        onFailure,
      };
      return real.watch(folder, listener);
    },
  });
}

function failing(code: string): (real: FileSystem) => FileSystem {
  return (real) => ({
    ...real,
    watch: () => {
      throw Object.assign(new Error(`${code}: no more`), { code });
    },
  });
}

test("18,000 files in one burst are all reported, although the kernel's queue holds 16,384 events", async () => {
  await using rig = fileRig();
  rig.add({ event_types: ["created"] });
  await rig.start();

  // Nothing reads the queue meanwhile.
  for (let n = 0; n < 18_000; n += 1) writeFileSync(rig.path(`file-${n}`), "");
  await expect.poll(() => rig.events.length, { timeout: 30_000, interval: 100 }).toBe(18_000);

  expect(new Set(rig.events.map(({ payload }) => payload["path"])).size).toBe(18_000);
  expect(rig.rescans).toContain("burst");
  expect(rig.found.rescan).toBeGreaterThan(0);
});

test("what no event has shown is found by a rescan and counted", async () => {
  await using rig = fileRig({ fileSystem: deafAfter(0) });
  rig.add({ rescan_seconds: 1 });
  await rig.start();

  writeFileSync(rig.path("unseen"), "1");
  await rig.sees(["created unseen"]);

  expect(rig.events[0]?.payload["found_by"]).toBe("rescan");
  expect(rig.found).toEqual({ watch: 0, rescan: 1 });
  expect(rig.rescans).toEqual(["periodic"]);
});

test.each([
  ["ENOSPC", "fs.inotify.max_user_watches"],
  ["EMFILE", "fs.inotify.max_user_instances"],
])("at a limit of the kernel (%s) the setting is named and the folder is polled", async (code, setting) => {
  await using rig = fileRig({ fileSystem: failing(code) });
  rig.add({ poll_seconds: 0.2 });
  await rig.start();

  writeFileSync(rig.path("a"), "1");
  await rig.sees(["created a"]);

  expect(rig.warnings.filter((each) => each.includes(setting))).toHaveLength(1);
  expect(rig.rescans).toContain("polling");
  // doctor reads it from the agent's metrics.
  expect(rig.polledPlaces()).toEqual([["limit", 1]]);
  await rig.stop();
  expect(rig.polledPlaces()).toEqual([]);
});

// Goal: a folder without permissions costs nothing but what is in it, and for no longer than it has none.
// Method: the tests may be root's, who may read everything; so the file system refuses in the kernel's words.
test.each(["from the beginning", "while it is watched"])(
  "a folder that cannot be read %s is named, and watched a second after it can be",
  async (since) => {
    const shut = new Set<string>();
    const refusing = (real: FileSystem): FileSystem => {
      const demand = (path: string): void => {
        if ([...shut].some((each) => path === each || path.startsWith(`${each}/`)))
          throw Object.assign(new Error(`EACCES: permission denied, '${path}'`), { code: "EACCES" });
      };
      return {
        ...real,
        names: async (path) => {
          demand(path);
          return real.names(path);
        },
        look: async (path) => {
          demand(dirname(path));
          return real.look(path);
        },
        watch: (path, listener) => {
          demand(path);
          return real.watch(path, listener);
        },
      };
    };
    await using rig = fileRig({ fileSystem: refusing });
    mkdirSync(rig.path("shut"));
    mkdirSync(rig.path("open"));
    if (since === "from the beginning") shut.add(rig.path("shut"));
    rig.add({ recursive: true, event_types: ["created"] });
    await rig.start();

    shut.add(rig.path("shut"));
    chmodSync(rig.path("shut"), 0o700);
    writeFileSync(rig.path("shut/a"), "1");
    writeFileSync(rig.path("open/b"), "1");
    await rig.sees(["created open/b"]);
    await expect.poll(() => rig.warnings.join()).toContain("EACCES");
    expect(rig.warnings.join()).not.toContain("instead");
    expect(rig.polledPlaces()).toEqual([]);

    shut.clear();
    await rig.sees(["created open/b", "created shut/a"]);
    writeFileSync(rig.path("shut/c"), "1");
    await rig.sees(["created open/b", "created shut/a", "created shut/c"]);
    expect(rig.rescans).toEqual([]);
  },
);

// Root may read everything, so the test gives that up for a while.
test("lines of a file that could not be read are events once it can be", async () => {
  await using rig = fileRig();
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) for (const folder of [rig.folder, rig.stateDir]) chownSync(folder, nobody, nobody);
  if (isRoot) process.seteuid?.(nobody);
  try {
    writeFileSync(rig.path("log"), "one\n");
    rig.add({ path: rig.path("log"), tail: true });
    await rig.start();

    chmodSync(rig.path("log"), 0o200);
    appendFileSync(rig.path("log"), "two\n");
    await expect.poll(() => rig.warnings.join(), soon).toContain("could not read new lines");
    chmodSync(rig.path("log"), 0o600);
    await expect.poll(() => rig.events.map(({ payload }) => payload["line"]), soon).toEqual(["two"]);
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
});

test("a file system without events is polled, and never watched from the main thread", async () => {
  let watched = 0;
  const remote = (real: FileSystem): FileSystem => ({
    ...real,
    isRemote: async () => true,
    watch: (folder, listener) => {
      if (folder.startsWith(rig.path("share"))) watched += 1;
      return real.watch(folder, listener);
    },
  });
  await using rig = fileRig({ fileSystem: remote });
  mkdirSync(rig.path("share/sub"), { recursive: true });
  rig.add({ path: rig.path("share"), recursive: true, poll_seconds: 0.2 });
  await rig.start();

  writeFileSync(rig.path("share/sub/a"), "1");
  await rig.sees(["created share/sub/a"]);
  appendFileSync(rig.path("share/sub/a"), "2");
  await rig.sees(["created share/sub/a", "modified share/sub/a"]);

  expect(watched).toBe(0);
});

test("what changed while nobody watched is reported, and nothing twice", async () => {
  await using rig = fileRig();
  for (const name of ["kept", "changed", "gone", "old-name"]) writeFileSync(rig.path(name), name);
  rig.add({ report_missed: true });
  rig.add();
  await rig.start();
  writeFileSync(rig.path("seen"), "1");
  await rig.sees(["created seen", "created seen"]);
  await rig.stop();

  appendFileSync(rig.path("changed"), "!");
  rmSync(rig.path("gone"));
  renameSync(rig.path("old-name"), rig.path("new-name"));
  writeFileSync(rig.path("new"), "1");
  rig.events.length = 0;
  await rig.start();

  const missed = ["modified changed", "deleted gone", "moved new-name from old-name", "created new"];
  await rig.sees(missed);
  await rig.stop();
  await rig.start();
  appendFileSync(rig.path("kept"), "!");
  await rig.sees([...missed, "modified kept", "modified kept"]);
  expect(rig.duplicates()).toBe(0);
  expect(rig.events[0]?.payload["found_by"]).toBe("rescan");
});

test("files that exist are reported once, when the rule first runs", async () => {
  await using rig = fileRig();
  writeFileSync(rig.path("a"), "1");
  rig.add({ report_existing: true });
  await rig.start();
  await rig.sees(["created a"]);
  await rig.stop();

  writeFileSync(rig.path("b"), "1");
  await rig.start();
  writeFileSync(rig.path("c"), "1");
  await rig.sees(["created a", "created c"]);
});

// Goal: a kill at any moment loses no change and doubles none.
// Method: stop answering at random moments, as a killed process does, with the state on disk as it was then.
test("an agent that is killed between recording, storing and settling repeats what may be lost, with the same keys", async () => {
  let isAlive = true;
  let storedMax = 3;
  const rig = fileRig({
    submit: (submission: BuiltinSubmission) => {
      if (!isAlive) return true;
      storedMax -= 1;
      // The last ones reach the database, but the answer is lost.
      if (storedMax < 0) return true;
      return storedMax === 0 ? rig.store({ ...submission, onOutcome: () => {} }) : rig.store(submission);
    },
  });
  await using _rig = rig;
  rig.add({ report_missed: true });
  await rig.start();
  for (let n = 0; n < 10; n += 1) writeFileSync(rig.path(`file-${n}`), "1");
  await expect.poll(() => storedMax).toBeLessThan(0);
  isAlive = false;
  await rig.stop();
  expect(rig.events).toHaveLength(3);

  isAlive = true;
  storedMax = 1_000;
  rmSync(rig.path("file-9"));
  appendFileSync(rig.path("file-0"), "2");
  await rig.start();

  const created = Array.from({ length: 10 }, (_, n) => `created file-${n}`);
  await rig.sees([...created, "deleted file-9", "modified file-0"]);
  expect(rig.duplicates()).toBeGreaterThan(0);
});

test("the state of a deleted rule is removed, that of a disabled one is kept", async () => {
  await using rig = fileRig();
  const rules = [1, 2, 3].map(() => rig.add({ report_missed: true }));
  const states = (): readonly string[] => readdirSync(rig.stateDir).toSorted();
  await rig.start();
  await expect.poll(states, soon).toEqual(["rule_1.jsonl", "rule_2.jsonl", "rule_3.jsonl"]);
  const [first, second, third] = rules;
  if (first === undefined || second === undefined || third === undefined) throw new Error("too few rules");

  rig.disable(first);
  rig.remove(second);
  await expect.poll(states, soon).toEqual(["rule_1.jsonl", "rule_3.jsonl"]);
  // With its last rule a sensor is stopped before it hears of that.
  await rig.stop();
  rig.remove(third);
  await rig.start();
  await expect.poll(states, soon).toEqual(["rule_1.jsonl"]);
});

test("a state whose last line was cut off by a crash is read up to it", async () => {
  await using rig = fileRig();
  rig.add({ report_missed: true });
  await rig.start();
  writeFileSync(rig.path("a"), "1");
  await rig.sees(["created a"]);
  await rig.stop();
  const [state] = readdirSync(rig.stateDir);
  const file = join(rig.stateDir, state ?? "");
  writeFileSync(file, `${readFileSync(file, "utf8")}["r",99,[["${rig.path("b")}"`);

  writeFileSync(rig.path("b"), "1");
  await rig.start();

  await rig.sees(["created a", "created b"]);
  expect(existsSync(`${file}.new`)).toBe(false);
});

test("a file that leaves and comes back unchanged is reported each time", async () => {
  await using rig = fileRig();
  mkdirSync(rig.path("in"));
  writeFileSync(rig.path("in/a"), "1");
  utimesSync(rig.path("in/a"), 1, 1);
  rig.add({ path: rig.path("in") });
  await rig.start();

  for (let round = 1; round <= 3; round += 1) {
    renameSync(rig.path("in/a"), rig.path("a"));
    await expect.poll(() => rig.events.length).toBe(2 * round - 1);
    renameSync(rig.path("a"), rig.path("in/a"));
    await expect.poll(() => rig.events.length).toBe(2 * round);
  }
  expect(rig.duplicates()).toBe(0);
});

test("while the pipeline is full, changes wait and none is lost", async () => {
  let room = Promise.withResolvers<void>();
  let isFull = true;
  const rig = fileRig({
    submit: async (submission) => {
      if (isFull) await room.promise;
      return rig.store(submission);
    },
  });
  await using _rig = rig;
  rig.add({ event_types: ["created", "modified"] });
  await rig.start();

  for (let n = 0; n < 2_000; n += 1) writeFileSync(rig.path(`file-${n}`), "1");
  await expect.poll(() => rig.found.watch).toBeGreaterThan(0);
  expect(rig.events).toEqual([]);
  isFull = false;
  room.resolve();
  room = Promise.withResolvers<void>();

  await expect.poll(() => new Set(rig.seen()).size, { timeout: 10_000 }).toBe(2_000);
});

// A size for CI; ATTUNE_TEST_FILES=1000000 for the soak.
const fileCount = Number(process.env["ATTUNE_TEST_FILES"] ?? "20000");
test(
  `${fileCount} small files in a tree are watched, and each change is seen`,
  { timeout: 900_000 },
  async () => {
    await using rig = fileRig();
    const perFolder = 1_000;
    for (let n = 0; n < fileCount; n += 1) {
      const folder = rig.path(`d${Math.floor(n / perFolder)}`);
      if (n % perFolder === 0) mkdirSync(folder);
      writeFileSync(join(folder, `f${n}`), "1");
    }
    rig.add({ recursive: true });
    rig.add({ recursive: true, report_missed: true });
    await rig.start();
    // So many that the sensor is running before both rules know what is there; until then, changes belong to that.
    let probes = 0;
    await expect
      .poll(
        () => {
          writeFileSync(rig.path(`probe${probes}`), "");
          probes += 1;
          return new Set(rig.events.map(({ rule }) => rule)).size;
        },
        { timeout: 600_000, interval: 500 },
      )
      .toBe(2);
    const countOf = (type: string): number =>
      rig.events.filter(({ payload }) => payload["event_type"] === type).length;

    for (let n = 0; n < fileCount; n += perFolder) {
      appendFileSync(rig.path(`d${n / perFolder}`, `f${n}`), "2");
    }
    await expect
      .poll(() => countOf("modified"), { timeout: 120_000, interval: 100 })
      .toBe((2 * fileCount) / perFolder);
    await rig.stop();
    rmSync(rig.path("d0"), { recursive: true });
    rig.events.length = 0;
    await rig.start();

    await expect.poll(() => countOf("deleted"), { timeout: 600_000, interval: 100 }).toBe(perFolder);
  },
);
