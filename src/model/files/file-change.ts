/**
 * What is known of a file, and how it changed.
 *
 * A change is the difference between two looks, not an event of the kernel: what came and went in between is no change, a
 * file that was replaced is one change, and a look after an outage finds the same as one that watched.
 */

/** Times are milliseconds of Unix time with fractions, exact to a quarter of a microsecond. */
export interface FileFacts {
  readonly size: number;
  readonly mtimeMs: number;
  /** Of the last change of its inode: tells a file that went and came back from one that stayed. */
  readonly ctimeMs: number;
  readonly inode: number;
  readonly isDirectory: boolean;
}

export type FoundBy = "watch" | "rescan";

/** The difference between two looks at one path. */
export interface FileChange {
  /** Absolute, as model/files/file-name.ts writes names. */
  readonly path: string;
  /** Null: there was nothing. */
  readonly before: FileFacts | null;
  /** Null: there is nothing. */
  readonly after: FileFacts | null;
  /** Where the file was before; nothing is there now. Null: it was not moved, as far as is known. */
  readonly from: string | null;
  /** What was known of the file where it was. */
  readonly fromFacts: FileFacts | null;
  readonly foundBy: FoundBy;
}

export type FileEventType = "created" | "modified" | "deleted" | "moved";

/** Whether the content may differ. A folder's content are its files. */
export function isDifferent(before: FileFacts, after: FileFacts): boolean {
  if (before.isDirectory !== after.isDirectory || before.inode !== after.inode) return true;
  if (after.isDirectory) return false;
  return before.size !== after.size || before.mtimeMs !== after.mtimeMs;
}

/** What happened; undefined if it comes to nothing. */
export function eventTypeOf({ before, after, from }: FileChange): FileEventType | undefined {
  if (after === null) return before === null ? undefined : "deleted";
  if (before === null) return from === null ? "created" : "moved";
  return from !== null || isDifferent(before, after) ? "modified" : undefined;
}

/**
 * Finds the files that went at one path and came at another: the same inode, with the same size and time, which a new file
 * that was given the inode of a deleted one does not have.
 */
export function pairMoves(changes: readonly FileChange[]): readonly FileChange[] {
  const gone = new Map<number, FileChange>();
  for (const change of changes) {
    if (change.before !== null && change.after === null) gone.set(change.before.inode, change);
  }
  if (gone.size === 0) return changes;
  const moved = new Set<FileChange>();
  const paired = changes.map((change) => {
    const { before, after } = change;
    if (after === null || before?.inode === after.inode) return change;
    const source = gone.get(after.inode);
    const known = source?.before ?? null;
    if (source === undefined || known === null || moved.has(source) || isDifferent(known, after))
      return change;
    moved.add(source);
    return { ...change, from: source.path, fromFacts: known };
  });
  return paired.filter((change) => !moved.has(change));
}
