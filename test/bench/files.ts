/**
 * 100,000 watched files in 1,000 folders: at most 1 kB each, and watched within 5 s. ATTUNE_BENCH_FILES changes their number.
 *
 * The floor of the start is to list the folders and look at each file, as many at a time, and to forget it. That of the memory is
 * the file's name and two numbers in a map.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { FileWatching } from "../../src/sensors/files/file-watching.ts";
import { FilesSource } from "../../src/sensors/sources/files.ts";
import { systemClock } from "../../src/time/clock.ts";
import { report } from "./rig/report.ts";

const count = Number(process.env["ATTUNE_BENCH_FILES"] ?? "100000");
const folders = Math.ceil(count / 100);
const looksAtOnce = 2;

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");

const folder = realpathSync(mkdtempSync(join(tmpdir(), "attune-bench-files-")));
const stateDir = mkdtempSync(join(tmpdir(), "attune-bench-state-"));
try {
  for (let n = 0; n < folders; n += 1) mkdirSync(join(folder, `folder-${n}`));
  for (let n = 0; n < count; n += 1) {
    writeFileSync(join(folder, `folder-${n % folders}`, `file-${n}.txt`), "x");
  }
  await measureFloor(); // Once before, so that both find the folders in memory.
  const floor = await measureFloor();
  const own = await measureOwn();
  report(`${count} watched files in ${folders} folders`, [
    {
      what: "start",
      measured: `${(own.ms / 1_000).toFixed(2)} s`,
      floor: `${(floor.ms / 1_000).toFixed(2)} s`,
      ratio: own.ms / floor.ms,
      required: "at most 5 s",
      isReached: own.ms <= 5_000,
    },
    {
      what: "memory per file",
      measured: `${own.bytes.toFixed(0)} B`,
      floor: `${floor.bytes.toFixed(0)} B`,
      ratio: own.bytes / floor.bytes,
      required: "at most 1,024 B",
      isReached: own.bytes <= 1_024,
    },
  ]);
} finally {
  rmSync(folder, { recursive: true });
  rmSync(stateDir, { recursive: true });
}

interface Memory {
  readonly resident: number;
  readonly heap: number;
}

/** After a collection. */
function memory(): Memory {
  if (typeof collect === "function") collect();
  const { rss: resident, heapUsed: heap } = process.memoryUsage();
  return { resident, heap };
}

/** By the larger measure: what earlier runs left free is resident already. */
function bytesSince(before: Memory): number {
  const { resident, heap } = memory();
  return Math.max(resident - before.resident, heap - before.heap);
}

async function measureFloor(): Promise<{ readonly ms: number; readonly bytes: number }> {
  const before = memory();
  const beganMs = performance.now();
  const seen = new Map<string, readonly number[]>();
  const names = await readdir(folder);
  const look = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      for (const file of await readdir(join(folder, name))) {
        const { size, mtimeMs } = await lstat(join(folder, name, file));
        seen.set(file, [size, mtimeMs]);
      }
    }
  };
  await Promise.all(Array.from({ length: looksAtOnce }, look));
  const ms = performance.now() - beganMs;
  return { ms, bytes: bytesSince(before) / seen.size };
}

async function measureOwn(): Promise<{ readonly ms: number; readonly bytes: number }> {
  const before = memory();
  const beganMs = performance.now();
  const stopping = new AbortController();
  const source = new FilesSource({
    config: {},
    watching: new FileWatching([folder]),
    metrics: { fileChanged: () => {}, filesRescanned: () => {} },
    stateDir,
    readRules: async () => [
      {
        id: "1",
        ref: "b.r",
        triggerRef: "core.file_changed",
        triggerParams: { path: folder, recursive: true },
      },
    ],
    existingRules: async (ids) => ids,
    random: () => 0,
  });
  const running = Promise.withResolvers<void>();
  const ended = source.run({
    output: { take: () => true, flush: () => {} },
    submit: () => true,
    checkpoint: async () => undefined,
    clock: systemClock,
    stopping: stopping.signal,
    abandoned: new AbortController().signal,
    noteRunning: () => running.resolve(),
    noteObstacle: () => {},
    noteFacts: () => {},
    noteOutput: () => {},
    log: () => {},
    warn: (warning) => process.stderr.write(`${warning}\n`),
  });
  await running.promise;
  const ms = performance.now() - beganMs;
  const bytes = bytesSince(before) / count;
  stopping.abort();
  await ended;
  return { ms, bytes };
}
