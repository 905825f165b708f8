/** The payloads of events about files, and what makes two of them the same event. */
import type { JsonObject, JsonValue } from "../json/json.ts";
import type { FileChange, FileEventType, FileFacts, FoundBy } from "./file-change.ts";
import { bytesOfName, isPlainName } from "./file-name.ts";

/** One event about one file, before the rule's types of events are considered. */
export interface FileEvent {
  readonly type: FileEventType;
  readonly path: string;
  readonly oldPath: string | null;
  /** For a deletion what was last known. */
  readonly facts: FileFacts;
  readonly foundBy: FoundBy;
}

/**
 * The events of a change for a rule that asks for those types. For one that does not ask for moves, a move is a deletion
 * and a creation.
 */
export function eventsOf(
  type: FileEventType,
  { path, before, after, from, fromFacts, foundBy }: FileChange,
  wanted: ReadonlySet<FileEventType>,
): readonly FileEvent[] {
  const facts = after ?? before;
  if (facts === null) return [];
  if (type !== "moved" || wanted.has("moved") || from === null) {
    return wanted.has(type) ? [{ type, path, oldPath: from, facts, foundBy }] : [];
  }
  const events: readonly FileEvent[] = [
    { type: "deleted", path: from, oldPath: null, facts: fromFacts ?? facts, foundBy },
    { type: "created", path, oldPath: from, facts, foundBy },
  ];
  return events.filter((event) => wanted.has(event.type));
}

export function fileEventPayload({ type, path, oldPath, facts, foundBy }: FileEvent): JsonObject {
  return {
    type: "file_changed",
    event_type: type,
    ...pathFields(path),
    ...(oldPath === null ? {} : { old_path: oldPath.toWellFormed() }),
    size: facts.size,
    mtime: new Date(facts.mtimeMs).toISOString(),
    is_directory: facts.isDirectory,
    found_by: foundBy,
  };
}

/** Equal only for the same change of the same file: what a deterministic dedup_key is made of. */
export function fileEventIdentity({ type, path, oldPath, facts }: FileEvent): JsonValue {
  const { inode, size, mtimeMs, ctimeMs } = facts;
  return [
    type,
    path.toWellFormed(),
    encoded(path),
    oldPath?.toWellFormed() ?? null,
    inode,
    size,
    mtimeMs,
    ctimeMs,
  ];
}

/** The path for people, and its bytes if it is not UTF-8. */
export function pathFields(path: string): JsonObject {
  const shown = path.toWellFormed();
  return {
    path: shown,
    name: shown.slice(shown.lastIndexOf("/") + 1),
    ...(isPlainName(path) ? {} : { path_base64: encoded(path) }),
  };
}

function encoded(path: string): string | null {
  return isPlainName(path) ? null : bytesOfName(path).toBase64();
}
