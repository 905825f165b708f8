/**
 * One look at the rows of the database: every statement of it sees the same snapshot, and judges ages and leases by the
 * same instant, however slow it is. Or a statement that takes longer than a lease would find every lease it saw
 * at its start run out, and two statements would contradict each other about what changed between them.
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
      // A statement that fails must not take the others with it.
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
