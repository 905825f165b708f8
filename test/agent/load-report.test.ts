import { expect, test } from "vitest";
import { loadReportText } from "../../src/agent/load-report.ts";
import type { PackWarning } from "../../src/packs/pack-problem.ts";

const nothing = { changes: [], unchanged: [], database: "db" };
const warning: PackWarning = {
  directory: "packs/a",
  file: "sensors/a.yaml",
  line: 1,
  field: null,
  reason: "",
  kind: "keys-ignored",
};

test.each<readonly [readonly PackWarning[], string]>([
  [[], ""],
  [[warning], "warnings: 1 file with keys that are ignored\n"],
  [
    [
      { ...warning, kind: "pack-elsewhere" },
      { ...warning, kind: "sensor-fails" },
      { ...warning, kind: "sensor-doubtful" },
      { ...warning, kind: "rule-doubtful" },
      warning,
      warning,
      { ...warning, file: "sensors/b.yaml" },
    ],
    "warnings: 1 about packs that workers will not find, 1 about sensors that will not work, 1 about sensors without a protocol, 1 about conditions that look wrong, 2 files with keys that are ignored\n",
  ],
])("the report ends with how many warnings the log has: %#", (warnings, expected) => {
  expect(loadReportText({ ...nothing, warnings })).toBe(
    `0 created, 0 updated, 0 removed, 0 unchanged in db\n${expected}`,
  );
});
