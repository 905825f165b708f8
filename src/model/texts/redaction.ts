/**
 * Keeps secrets out of whatever people read: logs, errors, reports.
 *
 * Two rules together. A password inside a URL is recognised by its place, whatever it is. A secret that
 * is known by value is removed wherever it stands, if it is long enough not to be an ordinary word:
 * removing a password like `attune` by value would deface every line and so give it away.
 */
const hidden = "[redacted]";
const secretLengthMin = 8;

/**
 * `scheme://user:password@`. A password that is not encoded as it should be may hold nearly anything, so
 * it reaches to the last @ of the word, unless what follows the colon is plainly a port.
 */
const urlPassword = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/?#@"]{0,256}):(?!\d{1,5}[/?#])[^\s"]{1,1024}@/gi;

export type Redact = (text: string) => string;

export function redactUrls(text: string): string {
  return text.includes("://") ? text.replace(urlPassword, `$1:${hidden}@`) : text;
}

/** @param secrets values to remove wherever they stand; those under eight characters are not */
export function createRedactor(secrets: readonly string[]): Redact {
  // Longest first, so that a secret which contains another leaves no remainder.
  const values = [...new Set(secrets)]
    .filter((secret) => secret.length >= secretLengthMin)
    .toSorted((one, other) => other.length - one.length);
  return (text) => values.reduce((rest, secret) => rest.replaceAll(secret, hidden), redactUrls(text));
}

/** The password of a URL as written and as decoded; none when it has none or is no URL. */
export function urlPasswords(url: string): readonly string[] {
  if (!URL.canParse(url)) return [];
  const { password } = new URL(url);
  if (password === "") return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password]; // A stray percent sign: the password is what it looks like.
  }
}
