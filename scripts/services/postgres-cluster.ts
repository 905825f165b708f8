/** A PostgreSQL cluster on disk: the location of its programs and files, their owner, and its creation. */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Requirement } from "./debian-packages.ts";

/** The superuser role of every private cluster, and its password. */
export const superuser = "attune";

export const postgresql: Requirement = {
  name: "PostgreSQL",
  packages: ["postgresql"],
  isInstalled: () => programFolder() !== undefined,
};

export interface Cluster {
  readonly programs: string;
  readonly data: string;
  readonly log: string;
  /** The user to run it as; empty unless this process is root. */
  readonly identity: { readonly uid?: number; readonly gid?: number };
}

/** The programs of the newest installed version: /usr/lib/postgresql/<version>/bin. */
function programFolder(): string | undefined {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root) : [];
  return versions
    .toSorted((one, other) => Number(other) - Number(one))
    .map((version) => join(root, version, "bin"))
    .find((folder) => existsSync(join(folder, "initdb")));
}

/** Finds PostgreSQL's programs and creates the cluster unless it exists. */
export async function prepareCluster(directory: string): Promise<Cluster> {
  const programs = programFolder();
  if (programs === undefined) throw new Error("PostgreSQL is not installed; run: apt-get install postgresql");

  const cluster: Cluster = {
    programs,
    data: join(directory, "data"),
    log: join(directory, "postgresql.log"),
    identity: process.getuid?.() === 0 ? identityOf("postgres") : {},
  };
  await mkdir(directory, { recursive: true });
  const { uid, gid } = cluster.identity;
  if (uid !== undefined && gid !== undefined) await chown(directory, uid, gid);
  if (!existsSync(join(cluster.data, "PG_VERSION"))) await initialize(cluster, directory);
  return cluster;
}

async function initialize({ programs, data, identity }: Cluster, directory: string): Promise<void> {
  // A directory without PG_VERSION was left by an interrupted initdb.
  await rm(data, { recursive: true, force: true });
  const password = join(directory, "password");
  await writeFile(password, `${superuser}\n`, { mode: 0o644 });
  const args = ["--pgdata", data, "--username", superuser, "--pwfile", password, "--auth", "scram-sha-256"];
  try {
    await promisify(execFile)(
      join(programs, "initdb"),
      [...args, "--encoding", "UTF8", "--locale", "C.UTF-8"],
      {
        ...identity,
        cwd: "/",
      },
    );
  } catch (cause) {
    throw new Error(`could not create a PostgreSQL cluster in ${data}`, { cause });
  } finally {
    await rm(password, { force: true });
  }
}

function identityOf(user: string): { readonly uid: number; readonly gid: number } {
  const numberFrom = (flag: string): number => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
  return { uid: numberFrom("-u"), gid: numberFrom("-g") };
}
