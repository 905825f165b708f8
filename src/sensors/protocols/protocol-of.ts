import type { SensorDefinition } from "../../model/definitions.ts";
import type { SensorLimits } from "../limits.ts";
import { pollProtocol } from "./poll.ts";
import type { Protocol } from "./protocol.ts";
import { streamProtocol } from "./stream.ts";

/**
 * @param nowMs on the monotonic clock: a poll sensor's first run
 * @param phase the part of its interval after that at which its schedule begins
 */
export function protocolOf(
  definition: SensorDefinition,
  limits: SensorLimits,
  nowMs: number,
  phase: number,
): Protocol {
  if (definition.protocol !== "poll") return streamProtocol;
  const { pollIntervalSeconds, timeoutSeconds, successExitCodes } = definition;
  const intervalMs = pollIntervalSeconds === null ? limits.pollIntervalMs : pollIntervalSeconds * 1_000;
  const anchorMs = nowMs + phase * intervalMs;
  const timeoutMs = timeoutSeconds === null ? limits.pollTimeoutMs : timeoutSeconds * 1_000;
  return pollProtocol({ schedule: { anchorMs, intervalMs }, timeoutMs, successExitCodes });
}
