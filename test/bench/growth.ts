/**
 * What an installation costs as it grows. Most of these numbers have a limit of their own, which is in the column of the floor.
 *
 * ATTUNE_BENCH_SCALE is the size: 1 is 100,000 rules, 200 workers with 20,000 sensors, 16 writers and ten million events; the
 * default of 0.1 takes some minutes. ATTUNE_BENCH_PARTS chooses parts, separated by commas.
 */
import { measureChangedRule } from "./growth/changed-rule.ts";
import { measureChangesUnderLoad } from "./growth/changes-under-load.ts";
import { measureCurves } from "./growth/curves.ts";
import { measureDroppedPartition } from "./growth/dropped-partition.ts";
import { measureFleet } from "./growth/fleet.ts";
import { measureWriters } from "./growth/writers.ts";
import { agentCommand } from "./rig/agent-command.ts";
import { report, type Finding } from "./rig/report.ts";

const scale = Number(process.env["ATTUNE_BENCH_SCALE"] ?? 0.1);
const rules = Math.round(100_000 * scale);

const parts: Readonly<Record<string, () => Promise<Finding[]>>> = {
  rules: () => measureChangedRule(rules),
  changes: () => measureChangesUnderLoad(rules),
  fleet: () => measureFleet(Math.round(200 * scale), Math.round(20_000 * scale)),
  writers: () => measureWriters(scale < 1 ? [1, 4, 8] : [1, 2, 4, 8, 16]),
  curves: () => measureCurves(),
  partition: () => measureDroppedPartition(Math.round(10_000_000 * scale)),
};
const chosen = process.env["ATTUNE_BENCH_PARTS"]?.split(",") ?? Object.keys(parts);

for (const name of chosen) {
  const measure = parts[name];
  if (measure === undefined) throw new Error(`there is no part ${name}: ${Object.keys(parts).join(", ")}`);
  report(`Growth: ${name}, at ${scale} × the full size, ${agentCommand().what}`, await measure());
}
