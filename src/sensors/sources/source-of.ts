import type { SensorKind } from "../../model/sensors/sensor-kind.ts";
import type { Clock } from "../../time/clock.ts";
import type { SensorLimits } from "../limits.ts";
import { PollSource, type PollPhases } from "./poll.ts";
import type { Program } from "./process-source.ts";
import type { Source } from "./source.ts";
import { StandaloneSource, type StandaloneOptions } from "./standalone.ts";
import { StreamSource } from "./stream.ts";

export interface SourceOptions extends StandaloneOptions {
  readonly limits: SensorLimits;
  readonly pollPhases: PollPhases;
  readonly clock: Clock;
}

/** The source for a kind of sensor; each kind has its own file in this folder. */
export function sourceOf(kind: SensorKind, program: Program, options: SourceOptions): Source {
  const { limits, pollPhases, clock } = options;
  switch (kind) {
    case "poll":
      return new PollSource(program, { limits, nowMs: clock.monotonicMs(), phase: pollPhases.next() });
    case "stream":
      return new StreamSource(program, { lineBytesMax: limits.lineBytesMax });
    case "standalone":
      return new StandaloneSource(program, options);
  }
}
