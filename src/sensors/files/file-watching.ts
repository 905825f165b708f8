/** What all sensors of files on this worker share. */
import { readFileSync } from "node:fs";
import { EventBurst, usualQueueLength } from "./event-burst.ts";
import { systemFileSystem, type FileSystem } from "./file-system.ts";
import type { FolderTree } from "./folder-tree.ts";
import type { PollingCause } from "./watch-mode.ts";

export class FileWatching {
  readonly fileSystem: FileSystem;
  /** Folders that rules may watch. */
  readonly allowedPaths: readonly string[];
  readonly #onDoubt = new Set<() => void>();
  readonly #trees = new Set<Pick<FolderTree, "pollingCause">>();
  #burst: EventBurst | undefined;

  constructor(allowedPaths: readonly string[], fileSystem: FileSystem = systemFileSystem()) {
    this.allowedPaths = allowedPaths;
    this.fileSystem = fileSystem;
  }

  /** Of the kernel's events for this process, whichever sensor they are for. */
  get burst(): EventBurst {
    this.#burst ??= new EventBurst(queueLength(), () => {
      for (const each of this.#onDoubt) each();
    });
    return this.#burst;
  }

  /** @returns a function that takes it out again */
  include(tree: Pick<FolderTree, "pollingCause">): () => void {
    this.#trees.add(tree);
    return () => void this.#trees.delete(tree);
  }

  /** How many watched places are polled although no rule asks for it, by why. */
  polledPlaces(): ReadonlyMap<PollingCause, number> {
    const counts = new Map<PollingCause, number>();
    for (const { pollingCause: cause } of this.#trees) {
      if (cause !== undefined) counts.set(cause, (counts.get(cause) ?? 0) + 1);
    }
    return counts;
  }

  /** @returns a function that ends it */
  whenInDoubt(call: () => void): () => void {
    this.#onDoubt.add(call);
    return () => void this.#onDoubt.delete(call);
  }
}

function queueLength(): number {
  try {
    return (
      Number.parseInt(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"), 10) || usualQueueLength
    );
  } catch {
    return usualQueueLength;
  }
}
