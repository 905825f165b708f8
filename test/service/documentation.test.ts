/** docs/health.md and a running agent name the same parts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../support/agent-process.ts";
import { freshDatabase } from "../support/postgres.ts";

test("the parts of readiness are those that the page lists and shows", async () => {
  const page = readFileSync(join(repositoryRoot, "docs/health.md"), "utf8");
  const example = JSON.parse(/```json\n([^`]*)```/.exec(page)?.[1] ?? "null") as { parts: object };
  const listed = [...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, part]) => part);
  await using fresh = await freshDatabase();
  await using folder = await agentFolder({
    databaseUrl: fresh.url,
    brokerUrl: undefined,
    packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
    workerName: "healthy",
  });
  await using agent = await startAgent(folder);
  await ready(agent, folder);

  const answer = (await (await fetch(`${folder.apiUrl}/health/ready`)).json()) as { parts: object };

  expect(listed).toEqual(Object.keys(answer.parts));
  expect(Object.keys(example.parts)).toEqual(Object.keys(answer.parts));
});
