/** What an operator should look at first, in words, the worst first. */
import { countOf, durationText } from "./format.ts";
import { hrefOf } from "./route.ts";
import type { Finding, Fleet, Process, Sensor, SensorState, Timer, Worker } from "./types.ts";

export interface Concern {
  readonly mood: "bad" | "warn";
  readonly text: string;
  readonly more: string | null;
  readonly href: string;
}

export interface Facts {
  readonly sensors: readonly Sensor[];
  readonly workers: readonly Worker[];
  readonly timers: readonly Timer[];
  readonly findings: readonly Finding[];
  readonly fleet: Fleet | null;
}

const outboxAgeSecondsMax = 30;

export function concernsOf({ sensors, workers, timers, findings, fleet }: Facts): readonly Concern[] {
  const concerns: Concern[] = [];
  for (const { ref, state, enabled, process } of sensors) {
    if (!enabled || !isTroubled(state)) continue;
    const isFailed = state === "failed";
    concerns.push({
      mood: isFailed ? "bad" : "warn",
      text: isFailed
        ? `Sensor ${ref} has failed and is no longer restarted soon`
        : `Sensor ${ref} ended and is being restarted`,
      more: endReasonOf(process),
      href: hrefOf("sensors", ref),
    });
  }
  for (const { name, alive, status, sensors_held: held } of workers) {
    if (alive || status !== "active") continue;
    concerns.push({
      mood: "bad",
      text: `Worker ${name} stopped without signing off`,
      more: held > 0 ? `It still holds ${countOf(held, "sensor")}; other workers take over.` : null,
      href: hrefOf("workers"),
    });
  }
  if (fleet !== null && isBehind(fleet)) {
    concerns.push({
      mood: "bad",
      text: `${countOf(fleet.outbox_messages, "message")} ${fleet.outbox_messages === 1 ? "waits" : "wait"} for RabbitMQ, the oldest for ${durationText(fleet.outbox_age_seconds)}`,
      more: null,
      href: hrefOf("diagnosis"),
    });
  }
  for (const { rule_ref: ref, state, problem } of timers) {
    if (state !== "invalid") continue;
    concerns.push({
      mood: "bad",
      text: `Timer ${ref} cannot fire`,
      more: problem,
      href: hrefOf("timers", ref),
    });
  }
  for (const { state, subject, detail, remedy } of findings) {
    // Named above, with its reason.
    const isNamed = sensors.some(({ ref, state: is }) => subject === `sensor ${ref}` && isTroubled(is));
    if (state !== "wrong" || isNamed) continue;
    concerns.push({ mood: "bad", text: `${subject}: ${detail}`, more: remedy, href: hrefOf("diagnosis") });
  }
  return concerns.toSorted((one, other) => Number(one.mood === "warn") - Number(other.mood === "warn"));
}

export function isTroubled(state: SensorState): boolean {
  return state === "failed" || state === "backoff";
}

/** Whether messages have waited for RabbitMQ for too long. */
export function isBehind({ outbox_age_seconds: age }: Fleet): boolean {
  return age > outboxAgeSecondsMax;
}

/** Why a process ended, with the last line that it wrote. */
export function endReasonOf(process: Process | null): string | null {
  const lastLine = process?.stderr_excerpt?.trim().split("\n").at(-1);
  return [process?.reason, lastLine].filter(Boolean).join(": ") || null;
}
