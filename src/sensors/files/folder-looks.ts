/**
 * Looks into the folders of a tree: compares what is there with what was last seen, and records the difference.
 *
 * Each folder is watched before it is listed, so that nothing is missed in between. A folder counts as replaced if its inode or
 * its time of birth differs, and is then forgotten with everything in it, and entered anew.
 *
 * A folder that cannot be read keeps what was last seen in it, until it can be read or is gone. Links are not followed.
 *
 * It has no state of its own: folders are in KnownFolders, differences in TreeChanges.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { hasCode, messageOf } from "../../errors/caught.ts";
import type { FoundBy } from "../../model/files/file-change.ts";
import type { Polling } from "../../model/files/file-plan.ts";
import type { FileSystem, Look } from "./file-system.ts";
import type { KnownFolders } from "./known-folders.ts";
import { shownPath } from "./shown-path.ts";
import type { ChangeFollower, TreeChanges } from "./tree-changes.ts";
import { childOf, relativeTo } from "./tree-path.ts";
import { watchFailure } from "./watch-failure.ts";
import type { WatchMode } from "./watch-mode.ts";
import type { Doubt, FoundFolder, WatchedFolder } from "./watched-folder.ts";

export interface FolderLooksOptions {
  readonly base: string;
  readonly depthMax: number;
  readonly polling: Polling;
  readonly fileSystem: FileSystem;
  /** Called for each event of the kernel. */
  readonly onHint: () => void;
  readonly warn: (warning: string) => void;
}

interface Parts {
  readonly folders: KnownFolders;
  readonly changes: TreeChanges<ChangeFollower>;
  readonly mode: WatchMode;
}

const looksAtOnce = 2;
const looksBeforeTurn = 64;

export class FolderLooks {
  readonly #options: FolderLooksOptions;
  readonly #folders: Parts["folders"];
  readonly #changes: Parts["changes"];
  readonly #mode: Parts["mode"];

  constructor(options: FolderLooksOptions, { folders, changes, mode }: Parts) {
    this.#options = options;
    this.#folders = folders;
    this.#changes = changes;
    this.#mode = mode;
  }

  /** Looks at these names in a folder, and at everything in folders that are new there. */
  async lookIn(
    folder: WatchedFolder,
    which: Doubt,
    foundBy: (name: string) => FoundBy,
    signal: AbortSignal,
  ): Promise<void> {
    const found = await this.#lookOnceIn(folder, which, foundBy, signal);
    if (found.length > 0) await this.enter(found, foundBy(""), signal);
    await this.#changes.deliverMany();
  }

  /** Looks at new folders, and at those in them. */
  async enter(found: readonly FoundFolder[], foundBy: FoundBy, signal: AbortSignal): Promise<void> {
    const waiting = [...found];
    for (let next = waiting.pop(); next !== undefined && !signal.aborted; next = waiting.pop()) {
      const folder = this.#folders.add(next);
      waiting.push(...(await this.#lookOnceIn(folder, "all", () => foundBy, signal)));
      await this.#changes.deliverMany();
    }
  }

  /** Enters folders that everyone else ignores. */
  async enterFor(follower: Pick<ChangeFollower, "ignores">, signal: AbortSignal): Promise<void> {
    const { base, depthMax, fileSystem } = this.#options;
    for (const folder of this.#folders.present()) {
      if (folder.depth >= depthMax) continue;
      for (const [name, facts] of folder.entries) {
        const path = childOf(folder.path, name);
        if (!facts.isDirectory || this.#folders.at(path) !== undefined) continue;
        if (follower.ignores(relativeTo(base, path))) continue;
        const look = await fileSystem.look(path).catch(() => undefined);
        if (look?.facts.isDirectory !== true) continue;
        await this.enter([{ path, depth: folder.depth + 1, birthMs: look.birthMs }], "watch", signal);
      }
    }
  }

  /** Forgets a folder and everything in it. */
  drop(path: string, foundBy: FoundBy): void {
    this.#folders.remove(path, (gone, facts) => this.#changes.record(gone, facts, null, foundBy));
  }

  /** @returns the new folders in it */
  async #lookOnceIn(
    folder: WatchedFolder,
    which: Doubt,
    foundBy: (name: string) => FoundBy,
    signal: AbortSignal,
  ): Promise<readonly FoundFolder[]> {
    const { fileSystem, warn } = this.#options;
    const found: FoundFolder[] = [];
    try {
      const isWhole = which === "all" || !folder.isWatched;
      this.#watch(folder);
      const names = isWhole ? await fileSystem.names(folder.path) : [...which];
      // Its parent folder notices that it is gone.
      if (names === undefined) return [];
      if (isWhole) {
        const present = new Set(names);
        for (const name of folder.entries.keys()) {
          if (!present.has(name)) this.#apply(folder, name, undefined, foundBy(name), found);
        }
      }
      let index = 0;
      const lookOn = async (): Promise<void> => {
        for (let name = names[index++]; name !== undefined; name = names[index++]) {
          if (signal.aborted) return;
          const look = await fileSystem.look(childOf(folder.path, name));
          this.#apply(folder, name, look, foundBy(name), found);
          if (index % looksBeforeTurn === 0) await nextTurn();
        }
      };
      await Promise.all(Array.from({ length: looksAtOnce }, lookOn));
      this.#folders.noteRead(folder);
    } catch (error) {
      warn(
        `could not look into ${shownPath(folder.path)}, which keeps what was last seen: ${messageOf(error)}`,
      );
      this.#folders.noteUnreadable(folder);
    }
    return found;
  }

  #apply(
    folder: WatchedFolder,
    name: string,
    look: Look | undefined,
    foundBy: FoundBy,
    found: FoundFolder[],
  ): void {
    const path = childOf(folder.path, name);
    const before = folder.entries.get(name) ?? null;
    const after = look?.facts ?? null;
    const known = this.#folders.at(path);
    const isSame =
      look?.facts.isDirectory === true &&
      known?.birthMs === look.birthMs &&
      before?.inode === look.facts.inode;
    if (known !== undefined && !isSame) this.drop(path, foundBy);
    if (after === null) folder.entries.delete(name);
    else folder.entries.set(name, after);
    this.#changes.record(path, before, after, foundBy);
    if (look?.facts.isDirectory !== true || (isSame && known !== undefined)) return;
    const { base, depthMax } = this.#options;
    if (folder.depth < depthMax && !this.#changes.isIgnored(relativeTo(base, path))) {
      found.push({ path, depth: folder.depth + 1, birthMs: look.birthMs });
    }
  }

  #watch(folder: WatchedFolder): void {
    const { fileSystem, polling, onHint, warn } = this.#options;
    folder.endDoubtfulWatch();
    if (folder.isWatched || !this.#mode.isWatchable) return;
    try {
      folder.watch(fileSystem, {
        onEvent: (name) => {
          onHint();
          this.#folders.doubt(folder, name);
        },
        onFailure: () => this.#folders.doubt(folder, undefined),
      });
    } catch (error) {
      // It cannot be listed either; the others can be watched.
      if (hasCode(error, "EACCES", "EPERM")) throw error;
      const failure = watchFailure(error);
      // It went before it could be watched.
      if (failure === undefined) return;
      this.#mode.noteLimit();
      warn(
        `cannot watch ${shownPath(folder.path)} for changes and looks every ${polling.pollMs / 1_000} s instead: ${failure}`,
      );
    }
  }
}
