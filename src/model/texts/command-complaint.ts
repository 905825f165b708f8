/**
 * Extracts the reason a command failed from its output. The last lines rarely contain it: pip ends with a
 * notice about a newer pip, npm with the path of its log, a compiler with "see above".
 */
import { stripVTControlCharacters } from "node:util";

const errorsMax = 3;
/** Up to this many lines without error markers are joined; of longer output, only the last lines are kept. */
const sentenceLinesMax = 10;
const lastLines = 4;
const lineLengthMax = 300;
const lengthMax = 700;

/** Lines that never contain the reason: pip's and npm's notices, npm's log path, pip's note to bug reporters. */
const notice =
  /^(\[notice\]|npm notice\b|npm (error|ERR!) A complete log of this run\b|npm (error|ERR!)( [A-Z0-9]+)?$|note: This (error|is an issue)\b)/;

/** Lines that tools mark as errors, and the last line of a traceback, such as `npm error code E404` or `ImportError: no …`. */
const marked =
  /^(npm )?(err(or)?|fatal|failed|E)\b[!:]|^npm error\b|\b[A-Za-z]*(Error|Exception)\b[:(]|\berror:/i;

/** @returns one line; empty if the command printed nothing */
export function complaintIn({
  stdout,
  stderr,
}: {
  readonly stdout: string;
  readonly stderr: string;
}): string {
  const said = linesOf(stderr);
  const lines = said.length > 0 ? said : linesOf(stdout);
  const errors = lines.filter((line) => marked.test(line));
  if (errors.length > 0) return joined(distinct(errors).slice(0, errorsMax), "; ");
  return joined(lines.length <= sentenceLinesMax ? lines : lines.slice(-lastLines), " ");
}

function joined(lines: readonly string[], separator: string): string {
  const text = lines.map((line) => line.slice(0, lineLengthMax)).join(separator);
  return text.slice(0, lengthMax);
}

function linesOf(output: string): readonly string[] {
  return stripVTControlCharacters(output)
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !notice.test(line));
}

/** Drops repeated lines; those of retries differ only in a number or an address. */
function distinct(lines: readonly string[]): readonly string[] {
  const byPattern = new Map(
    lines.toReversed().map((line) => [line.replaceAll(/0x[0-9a-f]+|\d+/g, ""), line]),
  );
  return [...byPattern.values()].toReversed();
}
