/** Recognizes secrets that are easy to guess. */

/** As long as the hash (RFC 7518 section 3.2). */
const bytesMin = 32;
/** A text with fewer different characters is no random one. */
const differentMin = 8;

/** Parts of secrets in examples and default configurations. */
const placeholders =
  /change[-_ ]?(me|this|it)|replace[-_ ]?(me|this)|your[-_ ]?(jwt|secret|256)|example|placeholder|insecure|not[-_ ]?(so[-_ ]?)?secret|dev(elopment)?[-_ ](secret|only|key)|default[-_ ]?(secret|key)|(secret|jwt)[-_ ]?key[-_ ]?here|in[-_ ]production|lorem ipsum|password|0123456789abcdef0123456789/i;

/** A clause without the secret; undefined for a secret that may be random. */
export function secretWeakness(secret: string): string | undefined {
  const bytes = new TextEncoder().encode(secret).length;
  if (bytes < bytesMin) return `is too short: it has ${bytes} bytes, and needs at least ${bytesMin}`;
  if (placeholders.test(secret)) return "is a placeholder that everybody knows";
  if (new Set(secret).size < differentMin) return "is too regular to be random";
  return undefined;
}
