import type { Queryable } from "../../src/database/database.ts";
import { rowOf } from "../../src/database/statement.ts";
import { storeBatch } from "../../src/database/statements/batches.ts";
import type { Id } from "../../src/model/identifiers.ts";
import type { AssignmentTerm } from "../../src/model/sensors/incoming-event.ts";
import { unmatchedBatch } from "./event-entry.ts";

/**
 * Runs the pipeline's statement for events of one sensor. Within a transaction left open it holds what a batch holds
 * that takes long to store.
 *
 * @returns whether the sensor was held under that term
 */
export async function storeUnderTerm(
  database: Queryable,
  sensorId: Id,
  { generation, instance }: AssignmentTerm,
): Promise<boolean> {
  const { toStore } = unmatchedBatch([], { revisionOf: () => "0", trigger: () => undefined }, "");
  const stored = await rowOf(database, storeBatch(toStore), {
    ...toStore,
    terms: [{ sensorId, generation, instance }],
    publisherInstance: instance,
  });
  return stored?.heldTerms.includes(`${sensorId}:${generation}`) ?? false;
}
