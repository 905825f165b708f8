import { readFileSync } from "node:fs";

/**
 * Rereads a file at each call, because its text may change while this process runs, like a rotated password. If
 * the file cannot be read or its text is not usable (it may be half written), the last usable text is kept.
 *
 * @param path undefined if the text never changes
 */
export function rereadText(
  path: string | undefined,
  initial: string,
  isUseful: (text: string) => boolean,
): () => string {
  let latest = initial;
  return () => {
    if (path === undefined) return latest;
    try {
      const text = withoutEditorMarks(readFileSync(path, "utf8"));
      if (isUseful(text)) latest = text;
    } catch {
      // If the last text is no longer valid, the server refuses it.
    }
    return latest;
  };
}

/** Editors and `echo` add a newline, and some editors a byte order mark, which are not part of a secret. */
export function withoutEditorMarks(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/[\r\n]+$/, "");
}
