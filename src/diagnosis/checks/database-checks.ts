import type { Database } from "../../database/database.ts";
import { loadMigrations } from "../../database/migrations/bundled-migrations.ts";
import { pendingMigrations } from "../../database/migrations/migrate.ts";
import { good, wrong, type Finding } from "../finding.ts";

/** Checks that the database has every migration this version needs. The other checks read its tables. */
export async function checkMigrations(database: Database): Promise<readonly Finding[]> {
  const pending = await pendingMigrations(database, loadMigrations());
  if (pending.length === 0) return [good("migrations", "all applied")];
  const names = pending.map(({ version, name }) => `${version}_${name}`).join(", ");
  return [
    wrong("migrations", `${pending.length} not applied (${names})`, {
      remedy: "attune-sensor-agent migrate",
    }),
  ];
}
