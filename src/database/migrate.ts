/**
 * Brings a database's schema up to this program's version: forward only, each file in its own
 * transaction together with the record that it was applied.
 *
 * Any number of processes may do this at once. Every transaction first takes the lock and then looks
 * again what is still to do; so each file is applied once, by whoever comes first, and the others go
 * on from there. Files tolerate that their work is done, so that one which `psql < file` applied
 * before, unrecorded, is applied again and recorded.
 */
import type { ErrorCode } from "../errors/catalogue.ts";
import { OperatorError, type OperatorErrorParts } from "../errors/operator-error.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Database, Queryable } from "./database.ts";
import { explainDatabaseFailure } from "./explain-failure.ts";
import type { Migration } from "./embedded-migrations.ts";
import { rowsOf } from "./statement.ts";
import {
  findMigrationTable,
  listAppliedVersions,
  recordMigration,
  waitToMigrate,
  type AppliedVersion,
} from "./statements/migrations.ts";

export interface AppliedMigration {
  readonly version: string;
  readonly name: string;
}

/** Long enough for any file on any table, and for waiting until others have applied theirs. */
const timeoutMs = 3_600_000;

/**
 * Applies what is missing.
 *
 * @returns the migrations that this call applied, oldest first
 * @throws OperatorError when the server refuses one, of its content MIGRATION_FAILED; those before it stay applied
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  logger: Logger,
): Promise<AppliedMigration[]> {
  const before = await appliedVersions(database);
  const pending = pendingOf(migrations, before);
  const applied: AppliedMigration[] = [];
  for (const migration of pending) {
    try {
      if (!(await applyOnce(database, migration))) continue;
    } catch (error) {
      throw migrationFailed(database, migration, error) ?? error;
    }
    const { version, name } = migration;
    const title = `${version}_${name}`;
    logger.info({ migration: title, database: database.address }, `applied migration ${title}`);
    applied.push({ version, name });
  }
  warnOfDifferences(pending.length === 0 ? before : await appliedVersions(database), migrations, logger);
  return applied;
}

/** Those of `migrations` that the database has no record of. Changes nothing. */
export async function pendingMigrations(
  database: Database,
  migrations: readonly Migration[],
): Promise<Migration[]> {
  return pendingOf(migrations, await appliedVersions(database));
}

function pendingOf(migrations: readonly Migration[], applied: readonly AppliedVersion[]): Migration[] {
  const versions = new Set(applied.map(({ version }) => version));
  return migrations.filter(({ version }) => !versions.has(version));
}

async function appliedVersions(database: Database): Promise<AppliedVersion[]> {
  const [isFound] = await rowsOf(database, findMigrationTable, { schema: database.schema });
  return isFound === true ? rowsOf(database, listAppliedVersions, undefined) : [];
}

/** False when another process was first. */
async function applyOnce(database: Database, migration: Migration): Promise<boolean> {
  const { schema } = database;
  return database.transaction(async (transaction) => {
    await transaction.query({ text: "set local statement_timeout = 0" });
    const patient: Queryable = { query: (query) => transaction.query({ ...query, timeoutMs }) };
    await rowsOf(patient, waitToMigrate, { schema });
    await patient.query({ text: "select set_config('attune.schema', $1, true)", values: [schema] });
    await patient.query({ text: createMigrationTable });
    const applied = await rowsOf(patient, listAppliedVersions, undefined);
    if (applied.some(({ version }) => version === migration.version)) return false;

    await patient.query({ text: migration.text });
    await rowsOf(patient, recordMigration, migration);
    return true;
  });
}

/**
 * Not `create … if not exists` alone, which asks for the right to create even where nothing is to be
 * created.
 */
const createMigrationTable = `
  do $$
  declare
    target text := current_setting('attune.schema');
  begin
    if to_regnamespace(quote_ident(target)) is null then
      execute format('create schema %I', target);
    end if;
    if to_regclass(format('%I.schema_migration', target)) is null then
      execute format('create table %I.schema_migration (
                        version    text primary key,
                        name       text not null,
                        checksum   text not null,
                        applied_at timestamptz not null default now())', target);
    end if;
  end
  $$`;

function warnOfDifferences(
  applied: readonly AppliedVersion[],
  migrations: readonly Migration[],
  logger: Logger,
): void {
  const known = new Map(migrations.map((migration) => [migration.version, migration]));
  for (const { version, name, checksum } of applied) {
    const migration = known.get(version);
    if (migration === undefined) {
      logger.warn({ version, name }, "the database has a migration of a newer version of this program");
    } else if (migration.checksum !== checksum) {
      logger.warn({ version, name }, "a migration was changed after this database applied it");
    }
  }
}

/** @returns undefined for what is no failure of the database */
function migrationFailed(
  { address, schema }: Database,
  { version, name }: Migration,
  cause: unknown,
): OperatorError | undefined {
  const explanation = explainDatabaseFailure(cause);
  if (explanation === undefined) return undefined;
  return new OperatorError({
    ...explanation,
    ...migrationRemedy(explanation.code, schema),
    attempt: `apply migration ${version}_${name} to the database at ${address}`,
    cause,
  });
}

/** What another remedy helps against than in other work: the state of the server is the same for all. */
function migrationRemedy(
  code: ErrorCode,
  schema: string,
): Partial<Pick<OperatorErrorParts, "code" | "remedy">> {
  switch (code) {
    case "DATABASE_RIGHTS_MISSING":
      return {
        remedy: `let the role create in the database and own the schema ${schema}, or run "attune-sensor-agent migrate" as a role that does`,
      };
    case "DATABASE_REFUSED":
    case "DATABASE_INCOMPLETE":
    case "DATABASE_POOLER":
      return {
        code: "MIGRATION_FAILED",
        remedy: "nothing of this migration was kept; correct the cause and start again",
      };
    default:
      return {};
  }
}
