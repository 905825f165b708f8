import { concurrentCommandsMax } from "../../runtimes/concurrent-commands.ts";
import { bootstrapRuntimes } from "../bootstrap.ts";
import { detectionReportJson, detectionReportText } from "../detection-report.ts";
import type { ExitCode, Invocation } from "../invocation.ts";

/** Probes the image's interpreters and prints the result. Needs nothing but PATH. */
export async function detectOnly({
  environment,
  format,
  print,
}: Pick<Invocation, "environment" | "format" | "print">): Promise<ExitCode> {
  const bootstrap = await bootstrapRuntimes(environment, async (commands) => {
    // Imported late: an image without interpreters never needs to start a program.
    const { runTogether } = await import("../../processes/run-together.ts");
    return runTogether(commands, concurrentCommandsMax);
  });
  print(format === "json" ? detectionReportJson(bootstrap) : detectionReportText(bootstrap));
  return 0;
}
