/**
 * Reads the database in one snapshot, and judges ages and leases by one instant, however slow the statements are.
 * Otherwise a statement slower than a lease would find every lease in its snapshot expired, and two statements
 * could contradict each other about a change between them.
 */
import type { Database, Queryable } from "../database/database.ts";
import { failed, type Finding } from "./finding.ts";

export interface Look {
  readonly kind: Database["kind"];
  readonly rows: Queryable;
}

export async function lookOnce(
  database: Database,
  checks: Readonly<Record<string, (look: Look) => Promise<readonly Finding[]>>>,
): Promise<readonly Finding[]> {
  return database.transaction(async (rows) => {
    await rows.query({ text: "set transaction isolation level repeatable read, read only" });
    const findings: Finding[] = [];
    for (const [subject, check] of Object.entries(checks)) {
      // A failed statement must not abort the other checks.
      await rows.query({ text: "savepoint before_check" });
      try {
        findings.push(...(await check({ kind: database.kind, rows })));
      } catch (error) {
        findings.push(failed(subject, error));
        await rows.query({ text: "rollback to savepoint before_check" });
      }
    }
    return findings;
  });
}
