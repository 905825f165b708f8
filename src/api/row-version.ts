/** Versions of rows in ETag and If-Match (RFC 9110 section 13.1.1), against lost updates. */
import type { IsExpected } from "../model/definition-edit.ts";

export function entityTag(rowVersion: string): string {
  return `"${rowVersion}"`;
}

/** @param ifMatch the header; without it any version is expected. Weak tags never match. */
export function expectedVersion(ifMatch: string | undefined): IsExpected {
  if (ifMatch === undefined || ifMatch.trim() === "*") return () => true;
  const tags = new Set(ifMatch.split(",").map((tag) => tag.trim()));
  return (rowVersion) => tags.has(entityTag(rowVersion));
}
