/** The parts that verify stored rows: continuously, and on request. */
import type { VerifyPorts } from "../api/routes/verify.ts";
import type { Database } from "../database/database.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { ContinuousVerification } from "../verification/continuous-verification.ts";
import { VerificationReport } from "../verification/verification-report.ts";
import { verify } from "../verification/verify.ts";
import type { ServiceContext } from "./service-context.ts";

export function openVerification(
  { options, lifetime, clock, random }: ServiceContext,
  database: Database,
  metrics: Metrics,
  installationId: string,
): VerifyPorts["verification"] {
  const { logger } = options;
  const continuous = new ContinuousVerification({
    database,
    installationId,
    metrics,
    logger,
    clock,
    random,
  });
  lifetime.run((signal) => continuous.run(signal));
  return verificationOf(database, installationId);
}

export function verificationOf(database: Database, installationId: string): VerifyPorts["verification"] {
  return {
    async *run({ since, isRepairing }, signal) {
      const report = new VerificationReport();
      const steps = verify({ database, installationId, report, isRepairing, signal }, since);
      for await (const _ of steps) yield report.checked.events;
      return report.json();
    },
  };
}
