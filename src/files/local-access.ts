/**
 * `agent.json` in the data directory: where the agent of this machine answers, and a token for it.
 *
 * A killed agent leaves its file behind, and another program may then listen on its port. So a reader trusts the file only while the
 * process that wrote it runs, and so nobody else gets the token.
 */
import { join } from "node:path";
import type { ProcessMark } from "./process-mark.ts";

export interface LocalAccess {
  readonly url: string;
  readonly token: string;
  /** Path of the certificate of an https URL, in PEM; null for http. */
  readonly certificate: string | null;
  /** RFC 3339. */
  readonly expires_at: string;
  readonly process: ProcessMark;
}

export function localAccessPath(dataDirectory: string): string {
  return join(dataDirectory, "agent.json");
}
