/**
 * Writes a retired partition into a file, one JSON object a row, compressed: `<folder>/<table>/<partition>.ndjson.gz`.
 *
 * The file has its name only once it is complete and on disk. Until then it ends in `.partial`; a later attempt begins anew.
 * Each attempt has a file of its own: an agent that lost its connection may still be writing when another one begins.
 *
 * There is no hurry, and events are stored meanwhile, by this agent and with the same database. So it rests after each page for
 * as long as the page took, which leaves at least half of a processor to others.
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import type { Id } from "../model/identifiers.ts";
import type { Clock } from "../time/clock.ts";
import { openRetired, readRetired } from "../database/statements/partitions.ts";

export interface ArchiveTarget {
  readonly database: Queryable;
  readonly folder: string;
  readonly clock: Clock;
}

const restMsMax = 1_000;

export async function archivePartition(
  target: ArchiveTarget,
  table: string,
  partition: string,
  signal: AbortSignal,
): Promise<string> {
  const { database, folder } = target;
  const directory = join(folder, table);
  await mkdir(directory, { recursive: true });
  await rowOf(database, openRetired, { partition });
  const name = `${partition}.ndjson.gz`;
  const path = join(directory, name);
  await removePartial(directory, name);
  const partial = `${path}.${randomUUID()}.partial`;
  try {
    await pipeline(
      Readable.from(linesOf(target, partition, signal)),
      createGzip(),
      createWriteStream(partial, { flags: "wx", flush: true, mode: 0o640 }),
      { signal },
    );
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

/** What earlier attempts have left. If one is still under way, it fails when it is complete, and drops nothing. */
async function removePartial(directory: string, name: string): Promise<void> {
  for (const each of await readdir(directory))
    if (each.startsWith(`${name}.`) && each.endsWith(".partial"))
      await rm(join(directory, each), { force: true });
}

async function* linesOf(
  { database, clock }: ArchiveTarget,
  partition: string,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const readPage = readRetired(partition);
  let after: Id = "0";
  for (;;) {
    const startedAtMs = clock.monotonicMs();
    const page = await rowsOf(database, readPage, { after });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map(({ line }) => `${line}\n`).join("");
    after = last.id;
    // Includes what compressing and writing have held up.
    await clock.sleep(Math.min(clock.monotonicMs() - startedAtMs, restMsMax), signal);
  }
}
