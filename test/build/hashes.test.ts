/** What build/packing/stub/hashes.c says of quick calls, asked of Node itself, packed with a script of these tests. */
import { readFileSync } from "node:fs";
import { chmod, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ownArchitecture } from "../../build/architecture.ts";
import { findClosure } from "../../build/packing/closure.ts";
import { findNode } from "../../build/node/node-binary.ts";
import { makeSelfContained } from "../../build/packing/self-contained.ts";
import { makeSingleExecutable } from "../../build/packing/single-executable.ts";
import { compileStub } from "../../build/packing/stub.ts";
import { findMayRehash } from "../../build/node/v8-snapshot.ts";
import { repositoryRoot } from "../../scripts/repository.ts";
import { run } from "./packed-probe.ts";

/** What V8 keeps of compiled code has the hashes of the names in it. */
const script = `
  const { readFileSync } = require("node:fs");
  const { Script } = require("node:vm");
  const { createHash } = require("node:crypto");
  const cache = new Script("const alpha = 1, beta = 2;").createCachedData();
  console.log(createHash("sha256").update(cache).digest("hex"));
  console.log(readFileSync("/proc/self/maps", "latin1"));`;

const scope = new AsyncDisposableStack();
let packed: string;
let mayRehash: number;
beforeAll(async () => {
  if (ownArchitecture === undefined) throw new Error("these tests run on x86-64 and arm64 only");
  const { path } = scope.use(await mkdtempDisposable(join(tmpdir(), "attune-hashes-")));
  const main = join(path, "main.cjs");
  await writeFile(main, script);
  const program = await readFile(
    await makeSingleExecutable({
      architecture: ownArchitecture,
      node: await findNode(repositoryRoot, ownArchitecture),
      scripts: { main, later: {} },
      assets: {},
      workDirectory: path,
    }),
  );
  const stub = await compileStub(ownArchitecture, path);
  mayRehash = findMayRehash(program);
  packed = join(path, "packed");
  await writeFile(
    packed,
    makeSelfContained({ program, mayRehash, stub, ...(await findClosure(ownArchitecture, program)) }),
  );
  await chmod(packed, 0o755);
}, 120_000);
afterAll(async () => scope.disposeAsync());

interface Told {
  readonly hashes: string;
  readonly maps: readonly string[];
}

async function tell(...args: readonly string[]): Promise<Told> {
  const { code, stdout, stderr } = await run(packed, args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const [hashes = "", ...maps] = stdout.trimEnd().split("\n");
  return { hashes, maps };
}

describe("11: Node's start-up snapshot", () => {
  test.each([
    [["--version"]],
    [["-V"]],
    [["--detect-only"]],
    [["--detect-only", "--format", "json"]],
    [["doctor", "--probe", "live"]],
  ])("keeps its hashes for a call with %j", async (args) => {
    const [first, second] = [await tell(...args), await tell(...args)];

    expect(first.hashes).toBe(second.hashes);
  });

  test.each([
    [[]],
    [["--config", "--version"]],
    [["--versions"]],
    [["--ver"]],
    [["doctor"]],
    [["doctor", "--probes"]],
    [["--probe"]],
    [[""]],
  ])("is hashed anew, by a secret of each process, for a call with %j", async (args) => {
    const [first, second] = [await tell(...args), await tell(...args)];

    expect(first.hashes).not.toBe(second.hashes);
  });

  test("is read-only again", async () => {
    const { maps } = await tell("--version");

    const mapping = maps.find((line) => {
      const [start = NaN, end = NaN] = (line.split(" ")[0] ?? "")
        .split("-")
        .map((address) => Number.parseInt(address, 16));
      return start <= mayRehash && mayRehash < end;
    });
    expect(mapping).toMatch(/ r--p .*\/packed$/);
  });
});

test("a program without such a snapshot is refused", () => {
  expect(() => findMayRehash(readFileSync("/bin/sh"))).toThrow(
    "does not hold a start-up snapshot as this build knows it",
  );
});
