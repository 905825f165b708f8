/** A backup of the agent's schema, made and restored as an operator does it, into the same database of the same server. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { asSuperuser } from "./postgres.ts";

const execute = promisify(execFile);

export async function backUpSchema(url: string): Promise<string> {
  const { stdout } = await execute("pg_dump", ["--schema", "attune", "--dbname", url], {
    maxBuffer: 256 * 1024 * 1024,
  });
  return stdout;
}

/** Everybody out, the schema dropped, the dump read back. */
export async function restoreSchema(url: string, dump: string): Promise<void> {
  await asSuperuser(async (client) => {
    await client.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    );
    await client.query("drop schema attune cascade");
  }, url);
  const restored = execute("psql", [
    "--quiet",
    "--single-transaction",
    "--set",
    "ON_ERROR_STOP=1",
    "--dbname",
    url,
  ]);
  restored.child.stdin?.end(dump);
  const { stderr } = await restored;
  if (stderr !== "") throw new Error(`psql said: ${stderr}`);
}
