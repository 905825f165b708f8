import { join } from "node:path";
import { test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { expectToSurviveItsTerminal } from "../support/hung-up-agent.ts";

test("an agent started from a clone with nohup survives its terminal", async () => {
  await expectToSurviveItsTerminal(join(repositoryRoot, "scripts/attune-sensor-agent"));
});
