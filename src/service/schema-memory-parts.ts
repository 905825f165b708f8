/** The parts that learn what payloads look like. */
import type { RememberedPayloads } from "../api/routes/schema-memory.ts";
import type { Database, Queryable } from "../database/database.ts";
import { rowOf, rowsOf } from "../database/statement.ts";
import { readMemory, readTriggerSamples } from "../database/statements/schema-memory.ts";
import { alertTrigger } from "../model/schema-memory/alert.ts";
import { listOf } from "../model/json/json.ts";
import { parseDrift, parseMemory } from "../model/schema-memory/memory-json.ts";
import { mergeMemories } from "../model/schema-memory/payload-memory.ts";
import type { EventSink } from "../model/sensors/incoming-event.ts";
import { createRedactor } from "../model/texts/redaction.ts";
import { MemoryKeeper } from "../schema-memory/memory-keeper.ts";
import { PayloadSampler } from "../schema-memory/payload-sampler.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { ServiceContext } from "./service-context.ts";

export function openPayloadSampler(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
): PayloadSampler {
  const redact = createRedactor(options.secrets);
  const sampler = new PayloadSampler({
    database: database.relaxed,
    isHidden: (text) => redact(text) !== text,
    logger: options.logger,
    clock,
    random,
  });
  lifetime.run((signal) => sampler.run(signal));
  return sampler;
}

export function openSchemaMemory(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  metrics: Metrics,
  sink: EventSink,
): void {
  const { logger } = options;
  const keeper = new MemoryKeeper({
    database,
    async alert(payload, dedupKey) {
      const outcome = await sink.accept({
        triggerRef: alertTrigger,
        payload,
        source: null,
        triggerInstanceId: null,
        dedupKey,
        occurredAt: null,
        checkpoint: undefined,
      });
      if (outcome.kind === "refused")
        logger.warn(
          { reason: outcome.reason },
          "could not report a change of payloads as an event of core.alert",
        );
    },
    metrics,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => keeper.run(signal));
}

const waitingSamplesMax = 50;

/** With samples that are not added up yet. Undefined: no payload was seen. */
export async function readRememberedPayloads(
  rows: Queryable,
  triggerRef: string,
): Promise<RememberedPayloads | undefined> {
  const known = await rowOf(rows, readMemory, { triggerRef });
  const waiting = await rowsOf(rows, readTriggerSamples, { triggerRef, countMax: waitingSamplesMax });
  const memories = [...(known === undefined ? [] : [known.content]), ...waiting].map(parseMemory);
  const [first, ...others] = memories;
  if (first === undefined) return undefined;
  return {
    memory: others.reduce(mergeMemories, first),
    drifts: listOf(known?.drifts).flatMap((drift) => parseDrift(drift) ?? []),
  };
}
