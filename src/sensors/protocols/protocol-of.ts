import type { SensorDefinition } from "../../model/definitions.ts";
import type { SensorLimits } from "../limits.ts";
import { pollProtocol } from "./poll.ts";
import type { Protocol } from "./protocol.ts";
import { streamProtocol } from "./stream.ts";

/** @param anchorMs where a poll sensor's schedule begins, on the monotonic clock */
export function protocolOf(definition: SensorDefinition, limits: SensorLimits, anchorMs: number): Protocol {
  if (definition.protocol !== "poll") return streamProtocol;
  const { pollIntervalSeconds, timeoutSeconds, successExitCodes } = definition;
  const intervalMs = pollIntervalSeconds === null ? limits.pollIntervalMs : pollIntervalSeconds * 1_000;
  const timeoutMs = timeoutSeconds === null ? limits.pollTimeoutMs : timeoutSeconds * 1_000;
  return pollProtocol({ schedule: { anchorMs, intervalMs }, timeoutMs, successExitCodes });
}
