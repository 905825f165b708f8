/**
 * Gives sensors that wait to workers that can run them, for the whole fleet.
 *
 * It reads what waits, page by page, and nothing of what runs; the workers and their loads are read only if something
 * waits. Each page is placed and claimed before the next is read, so that no turn of the event loop is long and no
 * transaction large.
 */
import type { Database } from "../database/database.ts";
import { rowsOf } from "../database/statement.ts";
import { claimSensors, type ClaimedAssignment } from "../database/statements/assignments.ts";
import { readLiveWorkers } from "../database/statements/sensor-workers.ts";
import { readWaitingSensors, type WaitingSensor } from "../database/statements/sensor-demands.ts";
import type { Id } from "../model/identifiers.ts";
import { Placer } from "../model/sensors/placement.ts";
import type { Clock } from "../time/clock.ts";
import type { LeaseRenewal } from "./lease-renewal.ts";
import { placeableSensor, placementWorker } from "./placement-facts.ts";

export interface PlacingWorker {
  readonly database: Database;
  readonly workerId: Id;
  readonly instance: string;
  readonly clock: Clock;
}

export interface SensorObstacles {
  readonly ref: string;
  /** Why it runs nowhere, in sentences. */
  readonly obstacles: readonly string[];
}

export interface PlacementRound {
  /** Assignments of the placing worker itself. */
  readonly own: readonly ClaimedAssignment[];
  /** Sensors that run nowhere. */
  readonly unplaced: ReadonlyMap<Id, SensorObstacles>;
  /** Whether sensors that have a place were passed over, so that another round is due soon. */
  readonly isIncomplete: boolean;
}

const pageLength = 500;

export async function placeWaitingSensors(
  self: PlacingWorker,
  renewal: Pick<LeaseRenewal, "observeClock" | "sparesLapsed">,
): Promise<PlacementRound> {
  const { database, workerId: selfId } = self;
  const own: ClaimedAssignment[] = [];
  const unplaced = new Map<Id, SensorObstacles>();
  let isIncomplete = false;
  let placer: Placer | undefined;
  let page: readonly WaitingSensor[];
  let after: Id = "0";
  do {
    const askedAtMs = self.clock.monotonicMs();
    page = await rowsOf(database, readWaitingSensors, { selfId, after, countMax: pageLength });
    if (page.length === 0) break;
    after = page.at(-1)?.id ?? after;
    const databaseMs = page[0]?.databaseMs ?? 0;
    // The clock may have been set since the last renewal, and so have ended leases of workers that are alive.
    renewal.observeClock({ databaseMs, askedAtMs, answeredAtMs: self.clock.monotonicMs() });
    placer ??= await openPlacer(self);
    const placement = placer.place(page.map((sensor) => placeableSensor(sensor, null)));
    for (const { id, ref } of page) {
      const obstacles = placement.unplaced.get(id);
      if (obstacles !== undefined) unplaced.set(id, { ref, obstacles });
    }
    const spared = new Set(
      renewal.sparesLapsed() ? page.flatMap(({ id, isLapsed }) => (isLapsed ? [id] : [])) : [],
    );
    const chosen = new Map([...placement.chosen].filter(([sensorId]) => !spared.has(sensorId)));
    const claimed = await claim(self, chosen);
    own.push(...claimed.filter(({ workerId }) => workerId === selfId));
    isIncomplete ||= claimed.length < placement.chosen.size;
  } while (page.length === pageLength);
  return { own, unplaced, isIncomplete };
}

async function openPlacer({ database, workerId }: PlacingWorker): Promise<Placer> {
  const workers = await rowsOf(database, readLiveWorkers, { selfId: workerId });
  return new Placer(workers.map(placementWorker), new Map(workers.map(({ id, load }) => [id, load])));
}

async function claim(
  { database, workerId, instance }: PlacingWorker,
  chosen: ReadonlyMap<Id, Id>,
): Promise<readonly (ClaimedAssignment & { readonly workerId: Id })[]> {
  if (chosen.size === 0) return [];
  return await database.transaction(async (transaction) => {
    // It skips locked sensors and assignments, but would wait for an assignment that is being inserted, or a worker's row.
    await transaction.query({ text: "set local lock_timeout = '1s'" });
    return rowsOf(transaction, claimSensors, { workerId, instance, chosen });
  });
}
