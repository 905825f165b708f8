import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { longFiles } from "../../scripts/testing/long-files-first.ts";

test("the files that are started first exist", () => {
  expect(longFiles.filter((file) => !existsSync(join(repositoryRoot, file)))).toEqual([]);
});
