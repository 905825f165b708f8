/**
 * Writes a retired partition into a file, one JSON object a row, compressed: `<folder>/<table>/<partition>.ndjson.gz`.
 *
 * The file has its name only once it is complete and on disk. Until then it ends in `.partial`; a later attempt begins anew.
 */
import { createWriteStream } from "node:fs";
import { mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import type { Id } from "../model/identifiers.ts";
import { openRetired, readRetired } from "../database/statements/partitions.ts";

export interface ArchiveTarget {
  readonly database: Queryable;
  readonly folder: string;
}

export async function archivePartition(
  { database, folder }: ArchiveTarget,
  table: string,
  partition: string,
  signal: AbortSignal,
): Promise<string> {
  const directory = join(folder, table);
  await mkdir(directory, { recursive: true });
  await rowOf(database, openRetired, { partition });
  const path = join(directory, `${partition}.ndjson.gz`);
  const partial = `${path}.partial`;
  await pipeline(
    Readable.from(linesOf(database, partition)),
    createGzip(),
    createWriteStream(partial, { flush: true, mode: 0o640 }),
    { signal },
  );
  await rename(partial, path);
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  return path;
}

async function* linesOf(database: Queryable, partition: string): AsyncGenerator<string> {
  const readPage = readRetired(partition);
  let after: Id = "0";
  for (;;) {
    const page = await rowsOf(database, readPage, { after });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page.map(({ line }) => `${line}\n`).join("");
    after = last.id;
  }
}
