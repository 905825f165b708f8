/**
 * Compiles the stub to a blob of machine code that runs at any address.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hangupVariable } from "../../src/agent/hangup.ts";
import { kept, setAside } from "../../src/agent/restored-environment.ts";
import type { Architecture } from "../architecture.ts";
import { runTool } from "../toolchain.ts";

const sourceDirectory = join(import.meta.dirname, "stub");
const sources = ["stub.c", "init.c", "environment.c", "hangup.c", "hashes.c", "failure.c"];

/**
 * Freestanding and position-independent without relocations. Calls to missing functions are prevented: gcc would
 * otherwise turn loops into memset, and call the C library to check the stack.
 */
const compilerFlags = [
  "-std=c11",
  "-Os",
  "-Wall",
  "-Wextra",
  "-Wconversion",
  "-Werror",
  "-ffreestanding",
  "-fpie",
  "-fno-stack-protector",
  "-fno-tree-loop-distribute-patterns",
  "-fno-asynchronous-unwind-tables",
];
const linkerFlags = [
  "-nostdlib",
  "-static-pie",
  "-Wl,--no-dynamic-linker",
  "-Wl,--build-id=none",
  "-Wl,-z,text",
  "-Wl,-z,max-page-size=65536",
];

export async function compileStub(architecture: Architecture, workDirectory: string): Promise<Buffer> {
  const generated = join(workDirectory, "stub");
  await mkdir(generated, { recursive: true });
  await writeFile(
    join(generated, "architecture.h"),
    `#include "${join(sourceDirectory, architecture.stubHeader)}"\n`,
  );
  await writeFile(
    join(generated, "environment-names.h"),
    `#define SET_ASIDE ${stringsInC(setAside)}\n#define KEPT ${stringsInC(kept)}\n` +
      `#define IGNORES_HANGUP "${hangupVariable}=1"\n`,
  );

  const linked = join(generated, "stub.elf");
  const blob = join(generated, "stub.bin");
  runTool(architecture, "gcc", [
    ...compilerFlags,
    ...linkerFlags,
    `-I${generated}`,
    `-I${sourceDirectory}`,
    ...sources.map((source) => join(sourceDirectory, source)),
    `-Wl,-T,${join(sourceDirectory, "stub.ld")}`,
    "-o",
    linked,
  ]);
  runTool(architecture, "objcopy", ["-O", "binary", "--only-section=.text", linked, blob]);
  return readFile(blob);
}

/** "LD_" "\0" "NODE_" "\0", where the NUL that C appends ends the list. */
function stringsInC(strings: readonly string[]): string {
  return strings.map((string) => `"${string}" "\\0"`).join(" ");
}
