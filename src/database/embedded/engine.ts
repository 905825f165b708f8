/**
 * Starts the embedded PostgreSQL (PGlite, the server compiled to WebAssembly, in this process) on a directory, with the
 * durability of a PostgreSQL server.
 *
 * PGlite's defaults are weaker: fsync is off, and its file system ignores the call. Here fsync is on and reaches the
 * disk. `fdatasync` is not used, because PGlite's C library ignores it.
 *
 * A server that ends itself is noticed (server-end.ts), and its files are closed, so that another can start on them.
 *
 * A new database is created next to its final path and moved there once it is complete, so that a process killed
 * meanwhile leaves nothing that looks like a database.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { parseJson } from "../../model/json/json-text.ts";
import { databaseFolder } from "./data-directory.ts";
import { DamagedDatabase, engineFailureText } from "./engine-failure.ts";
import { noticeServerEnd, type ServerEnded } from "./server-end.ts";

/** Files that PGlite otherwise reads from its package's folder; included in the single executable. */
export interface EmbeddedAssets {
  /** pglite.wasm */
  readonly server: Uint8Array<ArrayBuffer>;
  /** initdb.wasm */
  readonly initdb: Uint8Array<ArrayBuffer>;
  /** pglite.data: the files of the server's installation */
  readonly files: Uint8Array<ArrayBuffer>;
}

export interface EngineOptions {
  /** Locked for this process; the database is in its folder `postgresql`. */
  readonly directory: string;
  readonly schema: string;
  readonly assets: EmbeddedAssets | undefined;
}

export interface Engine {
  readonly server: PGlite;
  /** Set once the server has ended itself; then nothing may use it any more. */
  readonly end: () => ServerEnded | undefined;
  /** Closes the files of a server that has ended, without a word to it. */
  readonly abandon: () => void;
}

export async function startEngine({ directory, schema, assets }: EngineOptions): Promise<Engine> {
  const place = databaseFolder(directory);
  if (!existsSync(place)) await create(directory, place, assets);
  // Otherwise the engine would create a new database from the remains, or wait forever.
  else if (!existsSync(join(place, "PG_VERSION")))
    throw new DamagedDatabase("its file PG_VERSION is missing");
  return start(place, assets, ["-c", `search_path="${schema.replaceAll('"', '""')}", public`]);
}

async function create(directory: string, place: string, assets: EmbeddedAssets | undefined): Promise<void> {
  const prefix = "postgresql.creating-";
  for (const entry of readdirSync(directory)) {
    if (entry.startsWith(prefix)) rmSync(join(directory, entry), { recursive: true });
  }
  const building = join(directory, `${prefix}${process.pid}`);
  mkdirSync(building, { mode: 0o700 });
  const { server } = await start(building, assets, []);
  await server.close();
  renameSync(building, place);
}

// TypeScript's library for Node has the types of WebAssembly, but not its functions.
declare const WebAssembly: { compile(bytes: Uint8Array): Promise<WebAssembly.Module> };

async function start(
  place: string,
  assets: EmbeddedAssets | undefined,
  parameters: readonly string[],
): Promise<Engine> {
  const compiled =
    assets === undefined
      ? {}
      : {
          pgliteWasmModule: await WebAssembly.compile(assets.server),
          initdbWasmModule: await WebAssembly.compile(assets.initdb),
          fsBundle: new Blob([assets.files]),
        };
  let lastLine: string | undefined;
  // The server's message follows a time and a process id.
  const lastWords = (): string | undefined => lastLine?.replace(/^.*?(FATAL|PANIC):\s*/, "");
  const fs = new DurableNodeFS(place);
  try {
    const server = await PGlite.create({
      ...compiled,
      fs,
      startParams: [...startParameters, ...parameters],
      parsers: Object.fromEntries([
        ...textTypes.map((oid) => [oid, (value: string) => value] as const),
        ...jsonTypes.map((oid) => [oid, parseJson] as const),
      ]),
      onStderr(line) {
        if (/FATAL|PANIC/.test(line)) lastLine = line;
        return false; // Keep it off the console.
      },
    });
    const end = noticeServerEnd(server.Module, (cause) => lastWords() ?? engineFailureText(cause));
    return { server, end, abandon: () => fs.closeFiles() };
  } catch (cause) {
    fs.closeFiles();
    // PGlite reports only that it failed.
    const reason = lastWords();
    if (reason !== undefined) throw new DamagedDatabase(reason, cause);
    throw cause;
  }
}

/** PGlite's own arguments without `-F` (no fsync), and with our settings. */
const startParameters = [
  ...PGlite.defaultStartParams.filter((parameter) => parameter !== "-F"),
  "-c",
  "wal_sync_method=fsync",
  "-c",
  "max_wal_size=128MB",
  // The server cannot see this process's limit. If it were reached, the server would create a new table's file, fail to
  // open it, close another file, and then fail because the file it had created already exists.
  "-c",
  "max_files_per_process=192",
];

/**
 * bigint, numeric, date, timestamp, interval: text here, as in postgresql/connection.ts. (Object ids of
 * built-in types are part of PostgreSQL's protocol and never change.)
 */
const textTypes = [20, 1700, 1082, 1114, 1186];

/** json, jsonb: parsed with every digit of their numbers. */
const jsonTypes = [114, 3802];

interface NodeStream {
  /** Undefined for a directory, and for what is no file of the database. */
  readonly nfd?: number;
}

interface EngineModule {
  readonly NODEFS: { readonly stream_ops: { fsync?: (stream: NodeStream) => number } };
  readonly FS: { readonly streams: (NodeStream | null | undefined)[] };
}

type Init = NodeFS["init"];

class DurableNodeFS extends NodeFS {
  #module: EngineModule | undefined;

  override async init(...[engine, options]: Parameters<Init>): ReturnType<Init> {
    const { emscriptenOpts } = await super.init(engine, options);
    const prepare = (module: EngineModule): void => {
      makeDurable(module);
      this.#module = module;
    };
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...(emscriptenOpts.preRun ?? []), prepare] } };
  }

  /** Closes what the server left open. It must not run any more. */
  closeFiles(): void {
    const streams = this.#module?.FS.streams.splice(0) ?? [];
    // Streams that were duplicated share a descriptor.
    for (const descriptor of new Set(streams.map((stream) => stream?.nfd))) {
      if (descriptor !== undefined) closeSync(descriptor);
    }
  }
}

function makeDurable(module: EngineModule): void {
  module.NODEFS.stream_ops.fsync = ({ nfd }) => {
    if (nfd !== undefined) fsyncSync(nfd);
    return 0;
  };
}
