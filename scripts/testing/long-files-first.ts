/**
 * The order of a project's test files: those that take long first, so that in the end no worker runs one of them while the
 * others have nothing left. The rest as usual: larger files first.
 */
import { relative } from "node:path";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { repositoryRoot } from "../repository.ts";

/** Files of a minute or more, the longest of each project first. */
export const longFiles: readonly string[] = [
  "test/messaging/rabbitmq-faults.test.ts",
  "test/agent/run.test.ts",
  "test/agent/identity-commands.test.ts",
  "test/service/kill.test.ts",
  "test/service/takeover.test.ts",
  "test/flows/outages.test.ts",
  "test/flows/operations.test.ts",
  "test/flows/native-sensor.test.ts",
  "test/flows/python-sdk.test.ts",
  "test/agent/container/compose.test.ts",
];

export class LongFilesFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- not an array's
    const sorted = await super.sort(files);
    const projects = Map.groupBy(sorted, ({ project }) => project);
    return [...projects.values()].flatMap(longFirst);
  }
}

function longFirst(files: readonly TestSpecification[]): readonly TestSpecification[] {
  return files.toSorted((one, other) => placeOf(one) - placeOf(other));
}

function placeOf({ moduleId }: TestSpecification): number {
  const place = longFiles.indexOf(relative(repositoryRoot, moduleId));
  return place < 0 ? longFiles.length : place;
}
