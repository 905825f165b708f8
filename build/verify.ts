/**
 * Verifies the finished executable at the end of every build.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import manifest from "../package.json" with { type: "json" };
import type { Architecture } from "./architecture.ts";
import {
  type Elf,
  readDynamicLinking,
  readElf,
  readInterpreter,
  segmentFlag,
  segmentType,
} from "./packing/elf.ts";
import { type EmptyRootRun, runInEmptyRoot } from "./packing/empty-root.ts";
import { findEmulator } from "./toolchain.ts";

export interface Verification {
  readonly path: string;
  readonly architecture: Architecture;
  /** The executable before it was made self-contained. */
  readonly before: Buffer;
  /** Whether to start it in an empty root instead of directly. */
  readonly inEmptyRoot: boolean;
}

export async function verifyExecutable({
  path,
  architecture,
  before,
  inEmptyRoot,
}: Verification): Promise<void> {
  const bytes = await readFile(path);
  assert(bytes.length > before.length, "packing did not make the file grow");
  verifyHeaders(readElf(bytes), architecture);
  await verifyVersion(path, architecture, inEmptyRoot);
}

function verifyHeaders(elf: Elf, architecture: Architecture): void {
  assert.equal(elf.machine, architecture.machine);
  assert.equal(readInterpreter(elf), undefined, "the file still names a loader");
  const loads = elf.headers.filter(({ type }) => type === segmentType.load);
  const sorted = loads.toSorted((a, b) => a.address - b.address);
  assert.deepEqual(loads, sorted, "the kernel wants segments in order of address");
  for (const { flags } of loads) {
    assert(
      !(flags & segmentFlag.write && flags & segmentFlag.execute),
      "a segment is writable and executable at once",
    );
  }
  const entry = loads.find(
    ({ address, memorySize }) => address <= elf.entry && elf.entry < address + memorySize,
  );
  assert(entry !== undefined && entry === loads.at(-1), "the entry is not in the stub");
  assert(readDynamicLinking(elf) !== undefined);
}

async function verifyVersion(path: string, architecture: Architecture, inEmptyRoot: boolean): Promise<void> {
  const emulator = findEmulator(architecture);
  const run = { program: path, args: ["--version"], ...(emulator === undefined ? {} : { emulator }) };
  const printed = inEmptyRoot ? await runInEmptyRoot(run) : runHere(run);
  assert.equal(printed.trim(), `${manifest.name} ${manifest.version}`);
}

function runHere({ program, args, emulator }: EmptyRootRun): string {
  const [file = program, ...rest] = emulator === undefined ? [program] : [emulator, program];
  return execFileSync(file, [...rest, ...args], { encoding: "utf8", env: {} });
}
