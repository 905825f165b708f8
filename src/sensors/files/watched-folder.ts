/**
 * One folder of a tree: what was last seen in it, the kernel's watch on it, and which names to look at.
 *
 *   watch   none ──watch──▶ sure ──its own name, or a failure──▶ doubtful ──endDoubtfulWatch──▶ none
 *   doubt   no name ──▶ some names ──one is unknown, or there are too many──▶ all;  takeDoubt ──▶ no name
 *
 * The kernel ties a watch to the inode. Its last word on a folder that was deleted or moved is the folder's own name, so this
 * name makes the watch doubtful; and while there is no sure watch, names in doubt are not all that may have changed.
 */
import type { FileFacts } from "../../model/files/file-change.ts";
import type { FileSystem, WatchListener, Watcher } from "./file-system.ts";
import { nameOf } from "./tree-path.ts";

/** A folder as a look finds it. */
export interface FoundFolder {
  readonly path: string;
  /** 1 for the base. */
  readonly depth: number;
  readonly birthMs: number;
}

/** Names to look at; "all" if there are too many, or one is unknown. */
export type Doubt = ReadonlySet<string> | "all";

/** More than the kernel queues, so that a burst leaves the names that it has shown. */
const namesInDoubtMax = 20_000;
const noNames: Doubt = new Set();

export class WatchedFolder implements FoundFolder {
  readonly path: string;
  readonly depth: number;
  readonly birthMs: number;
  /** As last seen, by name; only looks change it. */
  readonly entries = new Map<string, FileFacts>();
  #watcher: Watcher | undefined;
  #isWatchDoubtful = false;
  /** Undefined: no name. Most folders are at rest, and a set takes more memory than all else here. */
  #doubt: Set<string> | "all" | undefined;

  constructor({ path, depth, birthMs }: FoundFolder) {
    this.path = path;
    this.depth = depth;
    this.birthMs = birthMs;
  }

  /** Whether the kernel surely reports its changes. */
  get isWatched(): boolean {
    return this.#watcher !== undefined && !this.#isWatchDoubtful;
  }

  /** @throws the file system's error if it cannot be watched */
  watch(fileSystem: FileSystem, { onEvent, onFailure }: WatchListener): void {
    const ownName = nameOf(this.path);
    this.#watcher = fileSystem.watch(this.path, {
      onEvent: (name) => {
        if (name === ownName) this.#isWatchDoubtful = true;
        onEvent(name);
      },
      onFailure: (error) => {
        this.#isWatchDoubtful = true;
        onFailure(error);
      },
    });
  }

  endDoubtfulWatch(): void {
    if (this.#isWatchDoubtful) this.endWatch();
  }

  endWatch(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#isWatchDoubtful = false;
  }

  /** @param name undefined: something changed, but it is not known what */
  noteDoubt(name: string | undefined): void {
    if (this.#doubt === "all") return;
    this.#doubt ??= new Set();
    if (name === undefined || this.#doubt.size >= namesInDoubtMax) this.#doubt = "all";
    else this.#doubt.add(name);
  }

  /** What a look that begins now has to settle. */
  takeDoubt(): Doubt {
    const doubt = this.#doubt ?? noNames;
    this.#doubt = undefined;
    return doubt;
  }
}
