/**
 * Describes where a database is: host:port/name of a server, or the folder of the embedded one. Never contains
 * credentials.
 */

/** @param url of a server; undefined for the embedded database in `dataDirectory` */
export function databaseAddress(url: string | undefined, dataDirectory: string): string {
  return url === undefined ? dataDirectory : postgresqlAddress(url);
}

export function postgresqlAddress(url: string): string {
  const parsed = parsedUrl(url);
  const host = parsed?.searchParams.get("host") ?? (parsed?.hostname || "localhost");
  const port = parsed?.searchParams.get("port") ?? (parsed?.port || "5432");
  const name = parsed?.pathname.slice(1) || (parsed?.username ?? "");
  return `${decodeURIComponent(host)}:${port}/${decodeURIComponent(name)}`;
}

/** The user and the database; undefined where the URL leaves them to defaults. */
export function databaseLogin(url: string): {
  readonly role: string | undefined;
  readonly database: string | undefined;
} {
  const parsed = parsedUrl(url);
  const role = parsed?.searchParams.get("user") ?? decodeURIComponent(parsed?.username ?? "");
  const database = parsed?.searchParams.get("dbname") ?? decodeURIComponent(parsed?.pathname.slice(1) ?? "");
  return { role: role || undefined, database: database || role || undefined };
}

/** A socket's folder may be given as the parameter `host`; then there is no host before the path. */
function parsedUrl(url: string): URL | null {
  return URL.parse(url.replace("@/", "@localhost/"));
}
