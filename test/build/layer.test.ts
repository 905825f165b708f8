import { randomBytes } from "node:crypto";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { layerFiles, verifyLayer } from "../../build/packing/layer.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

// Goal: the bound holds for what is shipped, not for the executable alone.
// Method: random bytes cannot be compressed, so each file takes its own size.
test("licences and bill of materials count in the layer", async () => {
  await using workspace = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const files = layerFiles("program");
  for (const file of files) await writeFile(join(workspace.path, file), randomBytes(60_000));

  expect(verifyLayer(workspace.path, files, 250_000)).toBeGreaterThan(180_000);
  expect(() => verifyLayer(workspace.path, files, 150_000)).toThrow("as a compressed layer");
});

test("both images hold in one layer what is measured as one", async () => {
  const dockerfile = await readFile(join(repositoryRoot, "docker/Dockerfile.agent"), "utf8");

  const copies = dockerfile.match(/^COPY --from=source .*$/gm) ?? [];
  const names = copies.map((line) =>
    line
      .split(" ")
      .slice(2, -1)
      .map((path) => basename(path)),
  );

  expect(names).toEqual([layerFiles("attune-sensor-agent"), layerFiles("attune-sensor-agent")]);
});
