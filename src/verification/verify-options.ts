/** What every check needs: where to read, where to report, and whether to repair. */
import type { Database } from "../database/database.ts";
import type { VerificationReport } from "./verification-report.ts";

export interface VerifyOptions {
  readonly database: Database;
  readonly installationId: string;
  readonly report: VerificationReport;
  /** Also repairs what can be repaired without a guess. */
  readonly isRepairing: boolean;
  readonly signal: AbortSignal;
}
