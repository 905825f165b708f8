/** Cuts what was added to a file into lines. */

export interface CutLine {
  readonly text: string;
  /** The byte of the file at which it begins. */
  readonly offset: number;
  /** Whether the line goes on in the next piece. */
  readonly continues: boolean;
}

export interface Cut {
  readonly lines: readonly CutLine[];
  /** How many bytes the lines take, with their ends. */
  readonly bytes: number;
}

/** A longer line is cut into pieces. */
export const linePieceBytesMax = 65_536;

/** @param isEnd whether nothing can follow, so that a last line without an end is complete */
export function cutLines(bytes: Uint8Array, offset: number, isEnd: boolean): Cut {
  const lines: CutLine[] = [];
  let begin = 0;
  while (begin < bytes.length) {
    const newline = bytes.indexOf(newlineByte, begin);
    const isWhole = newline !== -1 && newline - begin <= linePieceBytesMax;
    let end = isWhole ? newline : Math.min(begin + linePieceBytesMax, bytes.length);
    const isPiece = !isWhole && end - begin === linePieceBytesMax && end < bytes.length;
    if (!isWhole && !isPiece && !isEnd) break;
    if (isPiece) end = characterEnd(bytes, begin, end);
    lines.push({ text: lineText(bytes.subarray(begin, end)), offset: offset + begin, continues: isPiece });
    begin = isWhole ? end + 1 : end;
  }
  return { lines, bytes: begin };
}

const newlineByte = 0x0a;

/** Not within a character of UTF-8. */
function characterEnd(bytes: Uint8Array, begin: number, end: number): number {
  let at = end;
  while (at > begin + linePieceBytesMax - 4 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}

/** Without what the database cannot hold. */
function lineText(bytes: Uint8Array): string {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return (text.endsWith("\r") ? text.slice(0, -1) : text).replaceAll("\0", "\ufffd");
}
