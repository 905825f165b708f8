import type { Database } from "../../database/database.ts";
import type { SensorKind } from "../../model/sensors/sensor-kind.ts";
import type { Clock } from "../../time/clock.ts";
import type { Logger } from "../../telemetry/logger.ts";
import type { SensorLimits } from "../limits.ts";
import { FilesSource, type FilesOptions } from "./files.ts";
import type { SensorMetrics } from "../ports.ts";
import { PollSource, type PollPhases } from "./poll.ts";
import { ProgramToken } from "../access/program-token.ts";
import { tokenRequest } from "../access/token-request.ts";
import type { Program } from "./process-source.ts";
import type { Source } from "./source.ts";
import { StandaloneSource, type StandaloneOptions } from "./standalone.ts";
import { WebhookSource } from "./webhooks.ts";
import { StreamSource } from "./stream.ts";
import { TimerSource } from "./timers.ts";

export interface SourceOptions extends StandaloneOptions {
  readonly limits: SensorLimits;
  readonly pollPhases: PollPhases;
  readonly clock: Clock;
  readonly files: Pick<FilesOptions, "watching" | "metrics" | "stateDir" | "existingRules">;
  readonly database: Database;
  readonly metrics: SensorMetrics;
  readonly logger: Logger;
}

/** The source for a kind of sensor; each kind has its own file in this folder. */
export function sourceOf(kind: SensorKind, program: Program, options: SourceOptions): Source {
  const { limits, pollPhases, clock } = options;
  const token = (): ProgramToken | undefined => programToken(program, options);
  switch (kind) {
    case "poll":
      return new PollSource(program, {
        limits,
        nowMs: clock.monotonicMs(),
        phase: pollPhases.next(),
        token: token(),
        readRules: options.readRules,
      });
    case "stream":
      return new StreamSource(program, { lineBytesMax: limits.lineBytesMax, token: token() });
    case "standalone":
      return new StandaloneSource(program, options);
    case "files": {
      const { readRules, random, files } = options;
      return new FilesSource({ ...files, config: program.sensor.definition.config, readRules, random });
    }
    case "timers": {
      const { id, ref } = program.sensor.definition;
      return new TimerSource({ ...options, sensorId: id, sensorRef: ref });
    }
    case "webhooks":
      return new WebhookSource(options);
  }
}

function programToken(
  { sensor: { definition }, platform, log }: Program,
  { term, tokenTtlSeconds, clock, random }: SourceOptions,
): ProgramToken | undefined {
  if (platform === null) return undefined;
  const request = tokenRequest(definition, term, tokenTtlSeconds);
  return new ProgramToken({ platform, request, clock, random, log: (lines) => log.writeOutput(lines) });
}
