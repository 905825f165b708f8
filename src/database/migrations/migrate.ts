/**
 * Upgrades a database's schema to this program's version: forward only, each file in one transaction with the record
 * that it was applied.
 *
 * A first installation is a single transaction: all or nothing. In an upgrade each file has its own transaction, so that
 * the locks of one are not held while the next rewrites rows that running agents need.
 *
 * Agents of the earlier version store and renew leases meanwhile. While a file waits for a lock, everybody else who needs the table
 * waits behind it, and a backup holds its locks for hours. So it waits only for a moment, and then begins anew after a pause.
 * Now and then it waits a little longer, because that ends an autovacuum, which can also take hours.
 *
 * Any number of processes may do this at once. Every transaction first takes the lock and then checks again what is
 * pending, so each file is applied once, by the first process, and the others continue from there. Files can be applied
 * repeatedly, so one that was applied with `psql < file`, which keeps no record, is applied again and recorded.
 */
import type { ErrorCode } from "../../errors/catalogue.ts";
import { OperatorError, type OperatorErrorFields } from "../../errors/operator-error.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { systemClock, type Clock } from "../../time/clock.ts";
import type { Database, Queryable } from "../database.ts";
import { classifyDatabaseError } from "../errors.ts";
import { explainDatabaseFailure } from "../explain-failure.ts";
import type { Migration } from "./bundled-migrations.ts";
import { demandOwnSchema } from "./foreign-schema.ts";
import { keepingSearchPath } from "./role-search-path.ts";
import { rowOf, rowsOf } from "../statement.ts";
import {
  actAsOwner,
  findMigrationTable,
  listAppliedVersions,
  readFormerSchema,
  recordMigration,
  waitToMigrate,
  type AppliedVersion,
} from "../statements/migrations.ts";

export interface AppliedMigration {
  readonly version: string;
  readonly name: string;
}

/** Long enough for any file on any table, and for waiting for another process that is migrating. */
const timeoutMs = 3_600_000;
const usualWaitMs = 200;
/** The server cancels an autovacuum once another session has waited for its lock for deadlock_timeout, by default one second. */
const vacuumWaitMs = 1_300;
/** One attempt in this many waits that long. */
const vacuumAttempts = 20;
const lockPauseMs = 500;

/**
 * Applies pending migrations.
 *
 * @returns the migrations that this call applied, oldest first
 * @throws OperatorError DATABASE_FOREIGN if the schema is another program's, and DATABASE_INCOMPLETE if it was renamed; then
 *   nothing was changed. MIGRATION_FAILED if the server refuses a migration's content; in an upgrade, earlier migrations stay applied
 */
export async function migrate(
  database: Database,
  migrations: readonly Migration[],
  logger: Logger,
  clock: Clock = systemClock,
): Promise<AppliedMigration[]> {
  const before = await appliedVersions(database);
  const pending = pendingOf(migrations, before);
  const applied: AppliedMigration[] = [];
  for (const batch of await batchesOf(database, pending)) {
    for (const migration of await applyPatiently(database, batch, logger, clock)) {
      const { version, name } = migration;
      const title = titleOf(migration);
      logger.info({ migration: title, database: database.address }, `applied migration ${title}`);
      applied.push({ version, name });
    }
  }
  warnOfDifferences(pending.length === 0 ? before : await appliedVersions(database), migrations, logger);
  return applied;
}

function titleOf({ version, name }: Migration): string {
  return `${version}_${name}`;
}

/** Groups of migrations, each applied in one transaction. */
async function batchesOf(database: Database, pending: readonly Migration[]): Promise<readonly Migration[][]> {
  if (pending.length === 0) return [];
  const state = await demandOwnSchema(database);
  return state === "free" ? [[...pending]] : pending.map((migration) => [migration]);
}

/**
 * Those of `migrations` that the database has no record of. Changes nothing.
 *
 * @throws OperatorError DATABASE_FOREIGN if they could not be applied because the schema is another program's;
 *   DATABASE_INCOMPLETE if it was renamed
 */
export async function pendingMigrations(
  database: Database,
  migrations: readonly Migration[],
): Promise<Migration[]> {
  const pending = pendingOf(migrations, await appliedVersions(database));
  if (pending.length > 0) await demandOwnSchema(database);
  return pending;
}

function pendingOf(migrations: readonly Migration[], applied: readonly AppliedVersion[]): Migration[] {
  const versions = new Set(applied.map(({ version }) => version));
  return migrations.filter(({ version }) => !versions.has(version));
}

/** @throws OperatorError DATABASE_INCOMPLETE if the schema was renamed, or is being restored */
async function appliedVersions(database: Database): Promise<AppliedVersion[]> {
  const { schema, address } = database;
  const former = await rowOf(database, readFormerSchema, { schema });
  if (former !== undefined)
    throw new OperatorError({
      code: "DATABASE_INCOMPLETE",
      attempt: `use the schema ${schema} of the database at ${address}`,
      reason: `it was renamed, and its functions look for their tables in the schema ${former.name}`,
      remedy: `rename it back (alter schema "${schema}" rename to ${former.name}), and set database.schema accordingly`,
    });
  const [isFound] = await rowsOf(database, findMigrationTable, { schema });
  if (isFound !== true) return [];
  const applied = await rowsOf(database, listAppliedVersions, undefined);
  // The transaction that makes the table records what it applied. A dump's tables come before their rows, keys and triggers.
  if (applied.length === 0)
    throw new OperatorError({
      code: "DATABASE_INCOMPLETE",
      attempt: `use the schema ${schema} of the database at ${address}`,
      reason:
        "its table schema_migration has no rows: a dump is being restored, or was restored without its rows",
      remedy: "start the agent again once all of the dump is restored",
    });
  return applied;
}

/** Begins anew as long as others hold locks that it needs. */
async function applyPatiently(
  database: Database,
  batch: readonly Migration[],
  logger: Logger,
  clock: Clock,
): Promise<readonly Migration[]> {
  const endMs = clock.monotonicMs() + timeoutMs;
  const attempt: { current: Migration | undefined } = { current: batch[0] };
  for (let failures = 0; ; failures += 1) {
    try {
      const lockWaitMs = failures % vacuumAttempts === vacuumAttempts - 1 ? vacuumWaitMs : usualWaitMs;
      return await applyOnce(database, batch, { attempt, lockWaitMs });
    } catch (error) {
      const { current } = attempt;
      if (classifyDatabaseError(error) !== "conflict" || clock.monotonicMs() > endMs)
        throw (current && migrationFailed(database, current, error)) ?? error;
      if (failures === 0)
        logger.info(
          { migration: current && titleOf(current), error },
          "another session, such as a backup, holds a lock that a migration needs; trying again until it is free",
        );
    }
    await clock.sleep(lockPauseMs);
  }
}

/**
 * Applies them in one transaction, except those that another process has applied meanwhile.
 *
 * @param attempt shows which one is being applied
 */
async function applyOnce(
  database: Database,
  batch: readonly Migration[],
  {
    attempt,
    lockWaitMs,
  }: { readonly attempt: { current: Migration | undefined }; readonly lockWaitMs: number },
): Promise<readonly Migration[]> {
  const { schema } = database;
  return await database.transaction(async (transaction) => {
    // The turn may take as long as the others need, whatever limits the role has.
    await transaction.query({ text: "set local statement_timeout = 0; set local lock_timeout = 0" });
    const patient: Queryable = { query: (query) => transaction.query({ ...query, timeoutMs }) };
    await rowsOf(patient, waitToMigrate, { schema });
    await patient.query({ text: `set local lock_timeout = ${lockWaitMs}` });
    await patient.query({ text: "select set_config('attune.schema', $1, true)", values: [schema] });
    await patient.query({ text: createMigrationTable });
    await rowsOf(patient, actAsOwner, undefined);
    const missing = pendingOf(batch, await rowsOf(patient, listAppliedVersions, undefined));
    await keepingSearchPath(patient, schema, async () => {
      for (const migration of missing) {
        attempt.current = migration;
        await patient.query({ text: migration.text });
        await rowsOf(patient, recordMigration, migration);
      }
    });
    return missing;
  });
}

/**
 * Checks first, because `create … if not exists` needs the right to create even if there is nothing to create.
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
      logger.warn({ version, name }, "the database has a migration from a newer version of this program");
    } else if (migration.checksum !== checksum) {
      logger.warn({ version, name }, "a migration was changed after this database applied it");
    }
  }
}

/** @returns undefined if it is not a database failure */
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

/** Remedies that differ from those for other work. Failures of the server itself have the same remedy everywhere. */
function migrationRemedy(
  code: ErrorCode,
  schema: string,
): Partial<Pick<OperatorErrorFields, "code" | "remedy">> {
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
