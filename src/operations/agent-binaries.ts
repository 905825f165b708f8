/**
 * The agent's executables that machines without a shared volume download, from one folder:
 * `attune-sensor-agent-x86_64`, `attune-sensor-agent-aarch64`, and `attune-sensor-agent` for this machine's own
 * architecture, as `install` writes it.
 *
 * A file is hashed when it is first asked for and again when it has changed. It is opened once for all that is said of it,
 * so that a file replaced meanwhile is not described by the other's hash.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { hasCode } from "../errors/caught.ts";
import type { AgentArchitecture } from "../model/agent-architecture.ts";

export interface AgentBinary {
  readonly architecture: AgentArchitecture;
  readonly sizeBytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

export interface OpenAgentBinary extends AgentBinary, AsyncDisposable {
  /** To be read from the beginning. */
  readonly handle: FileHandle;
}

interface KnownHash {
  /** What changes with the file's content. */
  readonly version: string;
  readonly sha256: Promise<string>;
}

export class AgentBinaries {
  readonly #directory: string;
  readonly #ownArchitecture: AgentArchitecture | undefined;
  readonly #hashes = new Map<string, KnownHash>();

  /** @param ownArchitecture this machine's; undefined: one that the agent is not built for */
  constructor(directory: string, ownArchitecture: AgentArchitecture | undefined) {
    this.#directory = directory;
    this.#ownArchitecture = ownArchitecture;
  }

  /** Undefined: there is none for that architecture. The caller disposes it. */
  async open(architecture: AgentArchitecture): Promise<OpenAgentBinary | undefined> {
    const names = [`attune-sensor-agent-${architecture}`];
    if (architecture === this.#ownArchitecture) names.push("attune-sensor-agent");
    for (const name of names) {
      const binary = await this.#openFile(join(this.#directory, name), architecture);
      if (binary !== undefined) return binary;
    }
    return undefined;
  }

  async describe(architecture: AgentArchitecture): Promise<AgentBinary | undefined> {
    await using binary = await this.open(architecture);
    if (binary === undefined) return undefined;
    const { sizeBytes, sha256 } = binary;
    return { architecture, sizeBytes, sha256 };
  }

  async #openFile(path: string, architecture: AgentArchitecture): Promise<OpenAgentBinary | undefined> {
    await using opened = new AsyncDisposableStack();
    let handle: FileHandle;
    try {
      // Not waiting, should it be a pipe.
      handle = opened.use(await open(path, constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (error) {
      if (hasCode(error, "ENOENT")) return undefined;
      throw error;
    }
    const file = await handle.stat({ bigint: true });
    if (!file.isFile()) return undefined;
    const version = [file.dev, file.ino, file.size, file.mtimeNs].join(" ");
    const sha256 = await this.#hashOf(path, version, handle);
    const kept = opened.move();
    return {
      architecture,
      sizeBytes: Number(file.size),
      sha256,
      handle,
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  }

  /** Of one version at a time, however many ask. */
  async #hashOf(path: string, version: string, handle: FileHandle): Promise<string> {
    const known = this.#hashes.get(path);
    if (known?.version === version) return known.sha256;
    const sha256 = hashOf(handle);
    this.#hashes.set(path, { version, sha256 });
    try {
      return await sha256;
    } catch (error) {
      if (this.#hashes.get(path)?.sha256 === sha256) this.#hashes.delete(path);
      throw error;
    }
  }
}

async function hashOf(handle: FileHandle): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.alloc(256 * 1024);
  for (let position = 0; ;) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(buffer.subarray(0, bytesRead));
    position += bytesRead;
  }
}
