/**
 * What is said of a connection that fails and fails again: the first failure at once, then at
 * intervals that double from 10 s to 10 min, then the recovery with how long it took. So an outage of
 * any length costs a handful of lines.
 */
import type { Logger } from "../../telemetry/logger.ts";
import type { Clock } from "../../time/clock.ts";

const intervalMsFirst = 10_000;
const intervalMsMax = 600_000;

interface Outage {
  readonly startedAtMs: number;
  failures: number;
  intervalMs: number;
  nextLineAtMs: number;
}

export interface OutageLog {
  /** @param remedy what an operator can do about it */
  failed(reason: string, remedy?: string): void;
  recovered(): void;
}

/** @param subject for people: "connection to RabbitMQ at localhost:5672/" */
export function outageLog(subject: string, logger: Logger, clock: Clock): OutageLog {
  let outage: Outage | undefined;
  return {
    failed(reason, remedy) {
      const nowMs = clock.monotonicMs();
      outage ??= { startedAtMs: nowMs, failures: 0, intervalMs: intervalMsFirst, nextLineAtMs: nowMs };
      outage.failures += 1;
      if (nowMs < outage.nextLineAtMs) return;
      outage.nextLineAtMs = nowMs + outage.intervalMs;
      outage.intervalMs = Math.min(outage.intervalMs * 2, intervalMsMax);
      const { failures } = outage;
      const forSeconds = Math.round((nowMs - outage.startedAtMs) / 1000);
      logger.warn(
        { reason, remedy, failures, for_seconds: forSeconds },
        `the ${subject} is down; trying again`,
      );
    },
    recovered() {
      if (outage === undefined) return;
      const { failures, startedAtMs } = outage;
      const forSeconds = Math.round((clock.monotonicMs() - startedAtMs) / 1000);
      outage = undefined;
      logger.info({ failures, for_seconds: forSeconds }, `the ${subject} is up again`);
    },
  };
}
