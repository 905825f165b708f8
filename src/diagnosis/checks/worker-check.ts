import { rowsOf } from "../../database/statement.ts";
import { readWorkerStandings, type WorkerStanding } from "../../database/statements/diagnosis.ts";
import { durationText } from "../../model/texts/duration-text.ts";
import { good, notice, wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/** Each container may use a new name, so only the most recent inactive workers are listed. */
const goneShown = 5;

/** Lists workers that are alive, silent without having deregistered, and inactive. */
export async function checkWorkers({ kind, rows }: Look): Promise<readonly Finding[]> {
  const workers = await rowsOf(rows, readWorkerStandings, undefined);
  const living = workers.filter(({ isAlive }) => isAlive);
  const silent = workers.filter(({ isAlive, status }) => !isAlive && status !== "inactive");
  const gone = workers.filter(({ status }) => status === "inactive");
  return [
    ...living.map((worker) => good(`worker ${worker.name}`, livingText(worker), { facts: { worker } })),
    ...silent.map((worker) =>
      wrong(`worker ${worker.name}`, silentText(worker), { facts: { worker }, remedy }),
    ),
    // No worker can run while doctor has an embedded database open.
    ...(living.length === 0 && kind === "postgresql"
      ? [notice("workers", "none is alive, so no sensor runs")]
      : []),
    ...goneFindings(gone),
  ];
}

const remedy =
  "check that its process is running and can reach this database; other workers have taken over its sensors where they can run them";

function livingText(worker: WorkerStanding): string {
  const { host, secondsSinceHeartbeat, sensorsHeld, builtinHeld, sensorCountMax } = worker;
  const heartbeat = `last heartbeat ${ago(secondsSinceHeartbeat)}`;
  const builtins = builtinHeld === 0 ? "" : `, and ${builtinHeld} built-in`;
  return `is alive on ${host ?? "an unknown host"}, ${heartbeat}, runs ${sensorsHeld} of at most ${sensorCountMax ?? "?"} sensors${builtins}`;
}

function silentText({ host, secondsSinceHeartbeat }: WorkerStanding): string {
  return `is not responding on ${host ?? "an unknown host"}: last heartbeat ${ago(secondsSinceHeartbeat)}`;
}

function goneFindings(gone: readonly WorkerStanding[]): readonly Finding[] {
  if (gone.length === 0) return [];
  const shown = gone.slice(0, goneShown).map((each) => `${each.name} ${ago(each.secondsSinceHeartbeat)}`);
  const rest = gone.length > shown.length ? `, and ${gone.length - shown.length} more` : "";
  const count = gone.length === 1 ? "1 is inactive" : `${gone.length} are inactive`;
  return [notice("workers", `${count}: ${shown.join(", ")}${rest}`, { facts: { workers: gone } })];
}

function ago(seconds: number | null): string {
  return seconds === null ? "never" : `${durationText(seconds)} ago`;
}
