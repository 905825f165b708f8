import { Buffer } from "node:buffer";

/**
 * An entry of PostgreSQL's B-tree has at most 2,704 bytes. The key shares it with the refs of the trigger and the sensor,
 * each of at most 255 characters.
 */
const dedupKeyBytesMax = 2_000;

/** What is wrong with a dedup_key, if anything. */
export function dedupKeyProblem(key: string): string | undefined {
  if (key === "") return "dedup_key is empty, so all such events would be the same one";
  // UTF-8 needs at most three bytes per UTF-16 code unit.
  if (key.length * 3 <= dedupKeyBytesMax) return undefined;
  const bytes = Buffer.byteLength(key);
  return bytes <= dedupKeyBytesMax
    ? undefined
    : `dedup_key has ${bytes} bytes and may have ${dedupKeyBytesMax}; a hash of it would do`;
}
