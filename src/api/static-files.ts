/**
 * The page: `/ui/` and its files, served without a login, since they contain no data.
 *
 * Browsers revalidate the document each time and get 304 while it is unchanged. All other files have a hash of their
 * content in their names and are cached for good. Nothing is loaded from other hosts, and the document has no inline
 * script or style, so the content security policy allows only the agent's own files.
 */
import { createHash } from "node:crypto";
import { extname } from "node:path";
import { gunzipSync } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { RequestError } from "./errors.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const securityHeaders = {
  "content-security-policy": policy,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
};

const documentName = "index.html";

interface PageFile {
  readonly compressed: Buffer;
  readonly type: string;
  readonly tag: string;
}

/** @param read gives the compressed files by name; called at the first request */
export function addPageRoutes(server: FastifyInstance, read: () => ReadonlyMap<string, Buffer>): void {
  let known: ReadonlyMap<string, PageFile> | undefined;
  const files = (): ReadonlyMap<string, PageFile> => {
    if (known !== undefined) return known;
    const found = new Map([...read()].map(([name, compressed]) => [name, pageFile(name, compressed)]));
    // A page that is built later is found then.
    if (found.size > 0) known = found;
    return found;
  };
  const send = (name: string, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const file = files().get(name);
    if (file === undefined) throw new RequestError("NOT_FOUND", missing(name, request.url));
    return sendFile(file, name === documentName, request, reply);
  };
  server.get("/", async (request, reply) => {
    if (!wantsPage(request)) throw new RequestError("NOT_FOUND", "There is nothing at /.");
    return reply.header("vary", "accept").redirect("ui/", 302);
  });
  server.get("/ui", async (_request, reply) => reply.redirect("ui/", 308));
  server.get("/ui/", async (request, reply) => send(documentName, request, reply));
  server.get<{ Params: { file: string } }>("/ui/:file", async (request, reply) =>
    // The document has one address.
    send(request.params.file === documentName ? "" : request.params.file, request, reply),
  );
}

function missing(name: string, url: string): string {
  if (name === documentName) return "The page was not built; `npm run page` builds it.";
  return `There is nothing at ${url}.`;
}

function pageFile(name: string, compressed: Buffer): PageFile {
  const tag = `"${createHash("sha256").update(compressed).digest("base64url").slice(0, 22)}"`;
  return { compressed, type: types[extname(name)] ?? "application/octet-stream", tag };
}

function sendFile(
  { compressed, type, tag }: PageFile,
  isDocument: boolean,
  { headers }: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply
    .headers(securityHeaders)
    .header("cache-control", isDocument ? "no-cache" : "public, max-age=31536000, immutable")
    .header("vary", "accept-encoding")
    .header("etag", tag);
  if (isSameTag(headers["if-none-match"], tag)) return reply.code(304).send();
  reply.type(type);
  if (!acceptsGzip(headers["accept-encoding"])) return reply.send(gunzipSync(compressed));
  return reply.header("content-encoding", "gzip").send(compressed);
}

/** RFC 9110 section 13.1.2: compared weakly, since proxies mark what they compress. */
function isSameTag(given: string | undefined, tag: string): boolean {
  return (given ?? "").split(",").some((each) => each.trim().replace(/^W\//, "") === tag);
}

function acceptsGzip(accepted: string | string[] | undefined): boolean {
  return String(accepted ?? "")
    .split(",")
    .some((each) => /^\s*(?:gzip|\*)\s*(?:;\s*q=(?!0(?:\.0*)?\s*$).*)?$/i.test(each));
}

/** Browsers name HTML; programs that accept anything do not. */
function wantsPage({ headers }: FastifyRequest): boolean {
  return (headers.accept ?? "").includes("text/html");
}
