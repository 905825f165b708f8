/**
 * test/fixtures/native compiled, and the probe packed as the build packs Node.
 */
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Architecture, ownArchitecture } from "../../build/architecture.ts";
import { findClosure } from "../../build/packing/closure.ts";
import { makeSelfContained } from "../../build/packing/self-contained.ts";
import { compileStub } from "../../build/packing/stub.ts";
import { runTool } from "../../build/toolchain.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const sources = join(repositoryRoot, "test/fixtures/native");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface PackedProbe extends AsyncDisposable {
  /** A root directory with /probe, /confine and an empty /proc, and nothing else. */
  readonly root: string;
  readonly probe: string;
  /** The same program as the compiler made it. */
  readonly unpacked: string;
  readonly confine: string;
}

export type ProgramKind = "fixed" | "position-independent";

/** The machine's own architecture, which the tests' programs are compiled for. */
function testedArchitecture(): Architecture {
  if (ownArchitecture === undefined) throw new Error("these tests run on x86-64 and arm64 only");
  return ownArchitecture;
}

export async function packProbe(kind: ProgramKind): Promise<PackedProbe> {
  const directory = await mkdtempDisposable(join(tmpdir(), "attune-probe-"));
  // mkdtemp makes it private; some tests run as nobody.
  await chmod(directory.path, 0o755);
  const root = join(directory.path, "root");
  await mkdir(join(root, "proc"), { recursive: true });
  const architecture = testedArchitecture();

  const unpacked = join(directory.path, "probe");
  const flags = kind === "fixed" ? ["-no-pie", "-fno-pie"] : ["-pie", "-fpie"];
  // Without -fno-builtin, gcc would compute square roots without libm.
  compile(architecture, "probe.c", unpacked, [...flags, "-fno-builtin", "-lm"]);
  const program = await readFile(unpacked);
  const closure = await findClosure(architecture, program);
  const stub = await compileStub(architecture, directory.path);
  await writeFile(join(root, "probe"), makeSelfContained({ program, stub, ...closure }), { mode: 0o755 });

  const confine = join(root, "confine");
  buildConfine(confine);
  return {
    root,
    probe: join(root, "probe"),
    unpacked,
    confine,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Another copy of the packed probe, in the same root. */
export async function copyProbe({ root, probe }: PackedProbe, name: string): Promise<string> {
  const path = join(root, name);
  await copyFile(probe, path);
  return path;
}

export async function run(
  file: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly uid?: number } = {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      file,
      [...args],
      { env: {}, timeout: 30_000, ...options },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
      },
    );
  });
}

/** In the empty root, as process 1 of its own namespace, where /proc is mounted. */
export async function runAsProcess1(packed: PackedProbe, command: readonly string[]): Promise<Ended> {
  return run("/usr/bin/unshare", [...process1Arguments(packed), ...command]);
}

export function process1Arguments({ root }: PackedProbe): string[] {
  const asRoot = process.getuid?.() === 0 ? [] : ["--map-root-user"];
  return [...asRoot, "--mount", "--pid", "--fork", "--kill-child", `--root=${root}`, "--mount-proc"];
}

/** test/fixtures/native/confine.c as a static program. */
export function buildConfine(output: string): void {
  compile(testedArchitecture(), "confine.c", output, ["-static"]);
}

/** test/fixtures/native/foreign.c as a shared library. */
export async function buildForeignLibrary(output: string): Promise<void> {
  await mkdir(dirname(output), { recursive: true });
  compile(testedArchitecture(), "foreign.c", output, ["-shared", "-fPIC"]);
}

function compile(architecture: Architecture, source: string, output: string, flags: readonly string[]): void {
  runTool(architecture, "gcc", [
    "-std=c11",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    join(sources, source),
    "-o",
    output,
    ...flags,
  ]);
}
