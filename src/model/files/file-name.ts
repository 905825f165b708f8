/**
 * Names of files as text. A name is any bytes without `/` and NUL; most are UTF-8. A byte that is not is kept as the lone
 * surrogate U+DC00 + byte, as Python does, so that every name has exactly one text and can be turned back into its bytes.
 */

const escapeBase = 0xdc00;

export function nameOfBytes(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch {
    return escapedNameOf(bytes);
  }
}

/** Whether the text is a name's own, without escaped bytes. Only such texts can be stored. */
export function isPlainName(name: string): boolean {
  return name.isWellFormed();
}

/** The bytes of a name or path. */
export function bytesOfName(name: string): Uint8Array {
  const encoder = new TextEncoder();
  if (isPlainName(name)) return encoder.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.charCodeAt(0);
    const isEscaped = character.length === 1 && code >= escapeBase + 0x80 && code <= escapeBase + 0xff;
    if (isEscaped) bytes.push(code - escapeBase);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
}

/** Decodes the longest valid sequences, and escapes the bytes between them. */
function escapedNameOf(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let name = "";
  for (let index = 0; index < bytes.length;) {
    const length = sequenceLength(bytes[index] ?? 0);
    try {
      name += decoder.decode(bytes.subarray(index, index + length));
      index += length;
    } catch {
      name += String.fromCharCode(escapeBase + (bytes[index] ?? 0));
      index += 1;
    }
  }
  return name;
}

function sequenceLength(firstByte: number): number {
  if (firstByte < 0x80) return 1;
  if (firstByte < 0xe0) return 2;
  return firstByte < 0xf0 ? 3 : 4;
}
