/**
 * Finds what is wrong with the URL of a database or a broker, by RFC 3986.
 *
 * An unencoded delimiter in a password does not make the URL invalid but changes its meaning: in
 * `amqp://user:1#x@mq` the host is `user`. So delimiters are searched for before the URL is parsed.
 */

/** A phrase that follows the setting's name and never contains the URL; undefined if nothing is wrong. */
export function serviceUrlProblem(url: string): string | undefined {
  if (/\s/.test(url)) return "has a space or a line break in it: write a space as %20";
  if (/%(?![0-9a-f]{2})/i.test(url))
    return "has a % that is not followed by two hexadecimal digits: write it as %25";
  if (!isDecodable(url)) return "has percent-encoded bytes that are not UTF-8: write a % itself as %25";
  if (url.includes("#")) return unescaped("#");

  const [, rest = ""] = split(url, "://");
  const authorityEnd = rest.search(/[/?]/);
  const authority = authorityEnd === -1 ? rest : rest.slice(0, authorityEnd);
  const path = authorityEnd === -1 ? "" : (rest.slice(authorityEnd).split("?")[0] ?? "");
  const isCut = !authority.includes("@") && rest.includes("@");
  if (isCut && authority.includes(":")) return unescaped(rest.charAt(authorityEnd));
  if (path.includes("@")) return `has an @ after a /: write an @ as %40, and a / in a password as %2F`;

  const place = authority.slice(authority.lastIndexOf("@") + 1);
  const isHostList = place.includes(",") || /[?&]host=[^&]*(?:,|%2c)/i.test(rest);
  if (isHostList) return "names several hosts: name only the address of the primary";
  return portProblem(place) ?? (isUrl(url) ? undefined : "is not of the form scheme://user@host:port/name");
}

/** A PostgreSQL URL may name a user without a host. */
function isUrl(text: string): boolean {
  return URL.canParse(text.replace("@/", "@localhost/"));
}

function portProblem(place: string): string | undefined {
  const isIpv6 = place.startsWith("[");
  if (!isIpv6 && place.split(":").length > 2)
    return "has more than one : in its host: write an IPv6 address in brackets";
  const port = isIpv6 ? split(place, "]:")[1] : split(place, ":")[1];
  if (port === undefined || port === "") return undefined;
  const isPort = /^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
  return isPort ? undefined : "has a port that is not a number from 1 to 65535";
}

function unescaped(delimiter: string): string {
  const code = delimiter.charCodeAt(0).toString(16).toUpperCase();
  return `has a ${delimiter} that is not percent-encoded: in a user name or password write it as %${code}`;
}

/** Splits at the first separator. */
function split(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
