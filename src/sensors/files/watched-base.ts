/**
 * The base of a tree: the path that rules name. It may be a folder, a file or missing, and a link to one of them. It is looked
 * at every second; while it is no folder, its parent is watched too.
 *
 *   missing ◀──▶ file ◀──▶ folder ◀──▶ missing, as `become` learns from each look; a folder may also be replaced by another
 *
 * Invariant: a look that fails changes nothing. The kernel ties a watch to the inode and not to the path, so a folder counts as
 * replaced if its inode or its time of birth differs.
 */
import { messageOf } from "../../errors/caught.ts";
import type { FileFacts } from "../../model/files/file-change.ts";
import type { FileSystem, Look, Watcher } from "./file-system.ts";
import { shownPath } from "./shown-path.ts";
import { parentOf } from "./tree-path.ts";

export type BaseState =
  | { readonly kind: "missing" }
  | { readonly kind: "file"; readonly facts: FileFacts }
  | { readonly kind: "folder"; readonly look: Look };

export interface BaseChange {
  readonly before: BaseState;
  readonly after: BaseState;
  /** Whether it is the folder that it was before. */
  readonly isSameFolder: boolean;
}

export interface WatchedBaseOptions {
  readonly base: string;
  readonly fileSystem: FileSystem;
  /** Whether rules may watch a path, once all links are followed. */
  readonly isAllowed: (realPath: string) => boolean;
  readonly warn: (warning: string) => void;
}

export class WatchedBase {
  #state: BaseState = { kind: "missing" };
  readonly #options: WatchedBaseOptions;
  #parentWatcher: Watcher | undefined;

  constructor(options: WatchedBaseOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.base;
  }

  /** As last seen, if it is a file. */
  get facts(): FileFacts | undefined {
    return this.#state.kind === "file" ? this.#state.facts : undefined;
  }

  /** Null: nothing exists there that may be watched. Undefined: unknown, because it could not be looked at. */
  async look(): Promise<Look | null | undefined> {
    try {
      return await this.#lookWhereAllowed();
    } catch (error) {
      const path = shownPath(this.path);
      this.#options.warn(`could not look at ${path}, which keeps what was last seen: ${messageOf(error)}`);
      return undefined;
    }
  }

  /** @param look the last one, which saw something or nothing */
  become(look: Look | null): BaseChange {
    const before = this.#state;
    const after = stateOf(look);
    this.#state = after;
    const isSameFolder =
      before.kind === "folder" && after.kind === "folder" && isSame(before.look, after.look);
    return { before, after, isSameFolder };
  }

  /** So that a base that is a file, or not there yet, is noticed before the next look. */
  watchParent(onEvent: () => void): void {
    if (this.#parentWatcher !== undefined) return;
    const parent = parentOf(this.path);
    try {
      this.#parentWatcher = this.#options.fileSystem.watch(parent, {
        onEvent,
        onFailure: () => this.leaveParent(),
      });
    } catch {
      // The look every second does without.
    }
  }

  leaveParent(): void {
    this.#parentWatcher?.close();
    this.#parentWatcher = undefined;
  }

  async #lookWhereAllowed(): Promise<Look | null> {
    const { fileSystem, isAllowed, warn } = this.#options;
    const look = await fileSystem.lookAtTarget(this.path);
    if (look === undefined) return null;
    const known = factsOf(this.#state);
    if (known?.inode === look.facts.inode && known.ctimeMs === look.facts.ctimeMs) return look;
    const realPath = await fileSystem.realPath(this.path);
    if (realPath === undefined) return null;
    if (isAllowed(realPath)) return look;
    warn(
      `does not watch ${shownPath(this.path)}: it is a link to ${shownPath(realPath)}, which is outside of sensor.file_paths`,
    );
    return null;
  }
}

function stateOf(look: Look | null): BaseState {
  if (look === null) return { kind: "missing" };
  return look.facts.isDirectory ? { kind: "folder", look } : { kind: "file", facts: look.facts };
}

function isSame(one: Look, other: Look): boolean {
  return one.facts.inode === other.facts.inode && one.birthMs === other.birthMs;
}

function factsOf(state: BaseState): FileFacts | undefined {
  switch (state.kind) {
    case "folder":
      return state.look.facts;
    case "file":
      return state.facts;
    case "missing":
      return undefined;
  }
}
