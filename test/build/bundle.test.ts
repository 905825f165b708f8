/** The scripts that every start reads contain what every start needs, and nothing else. */
import { mkdtempDisposable, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { bundle } from "../../build/bundle/bundle.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

test("the command line has no library but its own, and no command", async () => {
  await using work = await mkdtempDisposable(join(tmpdir(), "attune-bundle-"));
  const { metafiles } = await bundle(repositoryRoot, work.path);
  const inputs = (script: string): readonly string[] =>
    metafiles.flatMap(({ outputs }) =>
      Object.entries(outputs).flatMap(([path, output]) =>
        basename(path) === script ? Object.keys(output.inputs) : [],
      ),
    );

  expect(inputs("command-line.cjs")).toContain("src/agent/cli.ts");
  const others = inputs("command-line.cjs").filter((path) =>
    /^node_modules\/(?!commander\/)|^src\/agent\/commands\//.test(path),
  );
  expect(others).toEqual([]);
  expect(inputs("main.cjs").filter((path) => path.includes("node_modules/"))).toEqual([]);
});

test("the scripts keep their names, but no white space that would stay in memory", async () => {
  await using work = await mkdtempDisposable(join(tmpdir(), "attune-bundle-"));
  const { later } = await bundle(repositoryRoot, work.path);
  const commands = await readFile(later.commands, "latin1");

  expect(commands).toContain("SensorInstance");
  expect(commands.match(/\s/g)?.length).toBeLessThan(commands.length / 20);
  expect(Math.max(...commands.split("\n").map((line) => line.length))).toBeLessThan(commands.length / 4);
});
