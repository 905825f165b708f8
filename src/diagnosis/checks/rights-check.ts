import { describeRights } from "../../database/rights/demand-rights.ts";
import { neededRights } from "../../database/rights/needed-rights.ts";
import { rowsOf } from "../../database/statement.ts";
import { readMissingRights } from "../../database/statements/rights.ts";
import { good, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/** Checks that the configured role has all rights a running agent needs. */
export async function checkRights({ rows }: Look): Promise<readonly Finding[]> {
  const missing = await rowsOf(rows, readMissingRights, neededRights);
  const [first] = missing;
  if (first === undefined) return [good("rights", "sufficient for a running agent")];
  return [
    wrong("rights", `the role ${first.role} lacks ${describeRights(missing)}`, {
      remedy: "run as the owner of the schema:",
      lines: missing.map(({ grant }) => `${grant};`),
      facts: { missing },
    }),
  ];
}
