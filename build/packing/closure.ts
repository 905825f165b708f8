/**
 * Finds the libraries that a program needs, directly and indirectly, and the loader.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import type { Architecture } from "../architecture.ts";
import { findLibrary } from "../node/debian-libraries.ts";
import { type DynamicLinking, readDynamicLinking, readElf } from "./elf.ts";
import { quietLoader } from "./quiet-loader.ts";
import type { Library } from "./self-contained.ts";

export interface Closure {
  readonly loader: Library;
  readonly libraries: readonly Library[];
}

export async function findClosure(architecture: Architecture, program: Buffer): Promise<Closure> {
  const named = linkingOf(program).needed.map(({ name }) => name);
  const names = named.filter((name) => name !== architecture.loader);
  const libraries = await Promise.all(names.map(async (name) => readLibrary(architecture, name)));

  const known = new Set([...names, architecture.loader]);
  for (const { name, bytes } of libraries) {
    const { needed, soname } = linkingOf(bytes);
    // The other libraries find it by this name among the loaded ones.
    assert.equal(soname, name, `${name} calls itself ${soname}`);
    const unknown = needed.find((need) => !known.has(need.name));
    assert(unknown === undefined, `${name} needs ${unknown?.name}, which the program does not name itself`);
  }

  const loader = await readLibrary(architecture, architecture.loader);
  return { loader: { ...loader, bytes: quietLoader(loader.bytes) }, libraries };
}

async function readLibrary(architecture: Architecture, name: string): Promise<Library> {
  const bytes = await readFile(findLibrary(architecture, name));
  assert.equal(readElf(bytes).machine, architecture.machine, `${name} is for another machine`);
  return { name, bytes };
}

function linkingOf(bytes: Buffer): DynamicLinking {
  const linking = readDynamicLinking(readElf(bytes));
  assert(linking !== undefined, "not dynamically linked");
  return linking;
}
