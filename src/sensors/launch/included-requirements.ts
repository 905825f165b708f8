/**
 * The files that a requirements file includes with `-r` or `-c`, directly and through others.
 *
 * The format is pip's ("Requirements File Format" in its manual): one option per line, a backslash continues a line, `#`
 * at the start or after a space begins a comment, and a path is relative to the file that contains it.
 */
import { dirname, resolve } from "node:path";

/** Reads a file; undefined if it cannot be read. */
export type ReadText = (path: string) => Promise<string | undefined>;

/** A file as it was named, with its text; null if it cannot be read. */
export type IncludedFile = readonly [name: string, text: string | null];

const filesMax = 100;

/** Every included file once, in the order in which pip reads them. */
export async function readIncluded(
  path: string,
  text: string,
  readText: ReadText,
): Promise<readonly IncludedFile[]> {
  const found: IncludedFile[] = [];
  const seen = new Set([resolve(path)]);
  const follow = async (from: string, content: string): Promise<void> => {
    for (const name of includedNames(content)) {
      const file = resolve(dirname(from), name);
      if (seen.has(file) || seen.size > filesMax) continue;
      seen.add(file);
      const included = await readText(file);
      found.push([name, included ?? null]);
      if (included !== undefined) await follow(file, included);
    }
  };
  await follow(path, text);
  return found;
}

const includingLine = /^\s*(?:-[rc]\s*|--(?:requirement|constraint)(?:\s+|\s*=\s*))(?<name>\S.*)$/;

function includedNames(text: string): readonly string[] {
  return text
    .replaceAll(/\\\r?\n/g, "")
    .split(/\r?\n/)
    .flatMap((line) => {
      const name = includingLine.exec(line.replace(/(?:^|\s)#.*$/, ""))?.groups?.["name"];
      // Only pip fetches URLs.
      return name === undefined || name.includes("://") ? [] : [withoutQuotes(name.trim())];
    });
}

function withoutQuotes(name: string): string {
  return name.replace(/^(["'])(.*)\1$/, "$2");
}
