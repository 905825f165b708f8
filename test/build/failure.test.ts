import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { packProbe, type PackedProbe, run, runAsProcess1 } from "./packed-probe.ts";

describe("a refusal by the machine is reported in one line, with its own exit code", () => {
  let packed: PackedProbe;
  beforeAll(async () => {
    packed = await packProbe("fixed");
  });
  afterAll(async () => packed[Symbol.asyncDispose]());

  test("101: /proc is not mounted", async () => {
    const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
    const ended = await run("/usr/bin/unshare", [...asRoot, `--root=${packed.root}`, "/probe", "root", "4"]);

    expect(ended).toMatchObject({ code: 101, stdout: "" });
    expect(ended.stderr).toContain("mount proc on /proc");
  });

  test.each([
    { condition: "no-memfd", code: 102, advice: "seccomp profile" },
    { condition: "27-descriptors", code: 103, advice: "ulimit -n" },
    { condition: "1-descriptor", code: 103, advice: "ulimit -n" },
    { condition: "full-file-table", code: 103, advice: "ulimit -n" },
    { condition: "no-memory", code: 104, advice: "raise the container's limit" },
    { condition: "short-files", code: 104, advice: "do not fit" },
    { condition: "no-memory-to-write", code: 104, advice: "raise the container's limit" },
    { condition: "no-executable-memory", code: 105, advice: "security policy" },
    { condition: "no-writing", code: 105, advice: "security policy" },
    { condition: "no-read-only", code: 105, advice: "security policy" },
  ])("$code: $condition", async ({ condition, code, advice }) => {
    const ended = await run(packed.confine, [condition, packed.probe, "root", "4"]);

    expect(ended).toMatchObject({ code, stdout: "" });
    expect(ended.stderr).toMatch(/^attune-sensor-agent: could not start: .* \(errno \d+\)\n$/);
    expect(ended.stderr).toContain(advice);
  });

  test("28 free descriptors are enough, however many are in use", async () => {
    const ended = await run(packed.confine, ["28-descriptors", packed.probe, "root", "4"]);

    expect(ended).toMatchObject({ code: 0, stdout: "2.000\n" });
  });

  test("106: process 1 may not start a second process", async () => {
    const ended = await runAsProcess1(packed, ["/confine", "no-fork", "/probe", "root", "4"]);

    expect(ended).toMatchObject({ code: 106, stdout: "" });
    expect(ended.stderr).toContain("limit on processes");
  });
});

test("every exit code of the stub is in the documentation, and no other", async () => {
  const header = await readFile(join(repositoryRoot, "build/packing/stub/failure.h"), "utf8");
  const page = await readFile(join(repositoryRoot, "docs/portable-executable.md"), "utf8");

  const codes = [...header.matchAll(/= (\d+),/g)].map((match) => match[1]);
  const documented = [...page.matchAll(/^\| `(\d{3})` /gm)].map((match) => match[1]);
  expect(documented).toEqual(codes);
});
