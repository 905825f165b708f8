import { readFileSync } from "node:fs";

/**
 * A text that somebody may replace in its file while this process runs, as a rotated password: read at each
 * call. While the file cannot be read, or what it holds is of no use (it may be half written), the last useful
 * text stays.
 *
 * @param path undefined: the text never changes
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
      const text = withoutLineEnd(readFileSync(path, "utf8"));
      if (isUseful(text)) latest = text;
    } catch {
      // Whoever uses the last text meets the server's refusal, if it is of no use any more.
    }
    return latest;
  };
}

/** Editors and `echo` end a file with one; a secret has none. */
export function withoutLineEnd(text: string): string {
  return text.replace(/[\r\n]+$/, "");
}
