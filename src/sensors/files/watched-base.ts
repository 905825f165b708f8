/**
 * The base of a tree: the path that rules name. It may be a folder, a file or missing, and a link to one of them. It is looked
 * at every second; while it is no folder, its parent is watched too.
 */
import { messageOf } from "../../errors/caught.ts";
import type { FileFacts } from "../../model/files/file-change.ts";
import type { FileSystem, Look, Watcher } from "./file-system.ts";
import { shownPath } from "./shown-path.ts";

export type BaseState =
  | { readonly kind: "missing" }
  | { readonly kind: "file"; readonly facts: FileFacts }
  | { readonly kind: "folder"; readonly look: Look };

export interface WatchedBaseOptions {
  readonly base: string;
  readonly fileSystem: FileSystem;
  /** Whether rules may watch a path, once all links are followed. */
  readonly isAllowed: (realPath: string) => boolean;
  readonly warn: (warning: string) => void;
}

export class WatchedBase {
  /** As last seen. */
  state: BaseState = { kind: "missing" };
  readonly #options: WatchedBaseOptions;
  #parentWatcher: Watcher | undefined;

  constructor(options: WatchedBaseOptions) {
    this.#options = options;
  }

  get path(): string {
    return this.#options.base;
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

  /** So that a base that is a file, or not there yet, is noticed before the next look. */
  watchParent(onEvent: () => void): void {
    if (this.#parentWatcher !== undefined) return;
    const parent = this.path.slice(0, this.path.lastIndexOf("/")) || "/";
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
    const known = factsOf(this.state);
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
