/** Runs a private PostgreSQL until stopped; used by start-all-services.sh. */
import { join } from "node:path";
import { runUntilStopped } from "./run-until-stopped.ts";
import { requireInstalled } from "./debian-packages.ts";
import { postgresql } from "./postgres-cluster.ts";
import { startPostgres } from "./postgres.ts";
import { servicesDirectory } from "./services-directory.ts";

const directory = join(servicesDirectory(), "postgresql");

await runUntilStopped("PostgreSQL", async () => {
  await requireInstalled(postgresql);
  return startPostgres({ directory, port: Number(process.env["ATTUNE_POSTGRESQL_PORT"] ?? "55432") });
});
