/**
 * Hashes of passwords with scrypt (RFC 7914), as text: `scrypt$<N>$<r>$<p>$<salt>$<hash>`, the last two in base64.
 *
 * One hash takes 32 MiB and about a fifth of a second, so they are made one at a time.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { OperatorError } from "../errors/operator-error.ts";

interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

/** As OWASP's password storage cheat sheet recommends for this much memory. */
const cost: Cost = { N: 2 ** 15, r: 8, p: 3 };
const saltBytes = 16;
const hashBytes = 32;
const waitingMax = 32;

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(saltBytes);
  const hash = await inTurn(() => derive(password, salt, cost));
  const { N, r, p } = cost;
  return ["scrypt", N, r, p, salt.toString("base64"), hash.toString("base64")].join("$");
}

/** Takes as long without a hash, so that the time does not show whether there is one. */
export async function isPassword(password: string, stored: string | null): Promise<boolean> {
  const { salt, hash, ...used } = decode(stored ?? "") ?? {
    salt: Buffer.alloc(saltBytes),
    hash: null,
    ...cost,
  };
  const derived = await inTurn(() => derive(password, salt, used));
  return hash !== null && timingSafeEqual(hash, derived);
}

function decode(stored: string): (Cost & { readonly salt: Buffer; readonly hash: Buffer }) | undefined {
  const [scheme, N, r, p, salt = "", hash = ""] = stored.split("$");
  const bytes = Buffer.from(hash, "base64");
  if (scheme !== "scrypt" || bytes.length !== hashBytes) return undefined;
  return { N: Number(N), r: Number(r), p: Number(p), salt: Buffer.from(salt, "base64"), hash: bytes };
}

function derive(password: string, salt: Buffer, used: Cost): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Two keyboards may write the same character in different ways (RFC 8265 section 4.2.2).
  scrypt(password.normalize("NFC"), salt, hashBytes, { ...used, maxmem: 2 ** 28 }, (error, hash) =>
    error === null ? resolve(hash) : reject(error),
  );
  return promise;
}

let last: Promise<unknown> = Promise.resolve();
let waiting = 0;

async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  if (waiting >= waitingMax) {
    throw new OperatorError({
      code: "UNAVAILABLE",
      attempt: "check a password",
      reason: `${waitingMax} others are being checked`,
      remedy: "try again later",
    });
  }
  waiting += 1;
  const result = last.then(work);
  last = result.catch(() => {});
  try {
    return await result;
  } finally {
    waiting -= 1;
  }
}
