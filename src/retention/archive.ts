/**
 * Writes a retired partition into a file, one JSON object a row, compressed: `<folder>/<table>/<partition>.ndjson.gz`.
 *
 * The file has its name only once it is complete and on disk. Until then it ends in `.partial`; a later attempt begins anew.
 * Each attempt has a file of its own: an agent that lost its connection may still be writing when another one begins. No
 * archive is replaced: if there is one of that name, as of another installation or from before a restoration, the file is called
 * `<partition>.2.ndjson.gz`.
 *
 * There is no hurry, and events are stored meanwhile, by this agent and with the same database. So it rests after each page for
 * as long as the page took, which leaves at least half of a processor to others.
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { makeDirectory } from "../files/make-directory.ts";
import type { Clock } from "../time/clock.ts";
import { openRetired, readRetired } from "../database/statements/partitions.ts";

export interface ArchiveTarget {
  readonly database: Queryable;
  readonly folder: string;
  readonly clock: Clock;
}

const restMsMax = 1_000;
/** A partial file that nobody has written to for so long is nobody's any more. */
const leftoverMs = 600_000;

export async function archivePartition(
  target: ArchiveTarget,
  table: string,
  partition: string,
  signal: AbortSignal,
): Promise<string> {
  const { database, folder, clock } = target;
  const directory = join(folder, table);
  await makeDirectory(directory);
  await rowOf(database, openRetired, { partition });
  await removeLeftovers(directory, clock.nowMs());
  const partial = join(directory, `${partition}.${randomUUID()}.partial`);
  let path: string;
  try {
    await pipeline(
      Readable.from(linesOf(target, partition, signal)),
      createGzip(),
      createWriteStream(partial, { flags: "wx", flush: true, mode: 0o640 }),
      { signal },
    );
    path = await freePath(directory, partition);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  return path;
}

/** Removes what attempts that were killed have left. Other agents use the folder, too, so a file may be gone at any moment. */
async function removeLeftovers(directory: string, nowMs: number): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!name.endsWith(".partial")) continue;
    const path = join(directory, name);
    const writtenAtMs = await stat(path).then(
      ({ mtimeMs }) => mtimeMs,
      () => nowMs,
    );
    if (nowMs - writtenAtMs > leftoverMs) await rm(path, { force: true });
  }
}

async function freePath(directory: string, partition: string): Promise<string> {
  const names = new Set(await readdir(directory));
  let name = `${partition}.ndjson.gz`;
  for (let number = 2; names.has(name); number += 1) name = `${partition}.${number}.ndjson.gz`;
  return join(directory, name);
}

async function* linesOf(
  { database, clock }: ArchiveTarget,
  partition: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const readPage = readRetired(partition);
  let after: bigint | null = null;
  for (;;) {
    const startedAtMs = clock.monotonicMs();
    const page: readonly { id: bigint; line: string }[] = await rowsOf(database, readPage, { after });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map(({ line }) => `${line}\n`).join("");
    after = last.id;
    // Includes what compressing and writing have held up.
    await clock.sleep(Math.min(clock.monotonicMs() - startedAtMs, restMsMax), signal);
  }
}
