/** Numbers that look random but are the same for the same text, on every agent: a fraction from 0 up to 1, exclusive. */
export function fractionOf(text: string): number {
  // FNV-1a, then the finalizer of MurmurHash3, which spreads texts that differ only in the last letters.
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
