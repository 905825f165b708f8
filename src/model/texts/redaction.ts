/**
 * Keeps secrets out of everything people read: logs, errors, reports.
 *
 * There are two rules. A password inside a URL is recognised by its position. A secret whose value is known
 * is removed everywhere, if it is too long to be an ordinary word: removing a password like `attune` by
 * value would deface every line and so reveal it.
 */
const hidden = "[redacted]";
const secretLengthMin = 8;

/**
 * `scheme://user:password@`. A password that is not properly encoded may contain almost anything, so it
 * extends to the last @ of the word, unless the text after the colon is clearly a port.
 */
const urlPassword = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s:/?#@"]{0,256}):(?!\d{1,5}[/?#])[^\s"]{1,1024}@/gi;

export type Redact = (text: string) => string;

export function redactUrls(text: string): string {
  return text.includes("://") ? text.replace(urlPassword, `$1:${hidden}@`) : text;
}

/** @param secrets values to remove everywhere; those shorter than eight characters are ignored */
export function createRedactor(secrets: readonly string[]): Redact {
  // Longest first, so that a secret that contains another is removed whole.
  const values = [...new Set(secrets)]
    .filter((secret) => secret.length >= secretLengthMin)
    .toSorted((one, other) => other.length - one.length);
  return (text) => values.reduce((rest, secret) => rest.replaceAll(secret, hidden), redactUrls(text));
}

/** The password of a URL, as written and decoded; empty without a password or a valid URL. */
export function urlPasswords(url: string): readonly string[] {
  if (!URL.canParse(url)) return [];
  const { password } = new URL(url);
  if (password === "") return [];
  try {
    return [password, decodeURIComponent(password)];
  } catch {
    return [password]; // A stray percent sign: take the password literally.
  }
}
