/**
 * migrations/schema.txt is what all migrations together make, for reviewers of a change to them.
 * UPDATE_SCHEMA=1 writes it anew.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { loadMigrations } from "../../src/database/migrations/bundled-migrations.ts";
import { openEmbedded } from "../../src/database/embedded/embedded.ts";
import { migrate } from "../../src/database/migrations/migrate.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { freshDatabase } from "../support/postgres.ts";
import { schemaText } from "./schema-text.ts";

const file = join(import.meta.dirname, "../../migrations/schema.txt");

test("the schema on PostgreSQL is the one written down", async () => {
  await using fresh = await freshDatabase();
  const text = await schemaText(fresh.database);
  if (process.env["UPDATE_SCHEMA"] === "1") writeFileSync(file, text);

  expect(text).toBe(readFileSync(file, "utf8"));
});

test("the schema in the embedded database is the same", async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "attune-embedded-"));
  {
    await using database = await openEmbedded({ dataDirectory, logger: silentLogger });
    await migrate(database, loadMigrations(), silentLogger);

    expect(await schemaText(database)).toBe(readFileSync(file, "utf8"));
  }
  rmSync(dataDirectory, { recursive: true });
});
