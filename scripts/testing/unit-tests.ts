/**
 * Finds the unit tests, which need neither a service nor a process, by their imports.
 *
 * A test needs one if it, or a test helper that it imports, starts programs, reads the address of a test service, or
 * uses a part of the product that does.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { moduleRequests } from "../layers/read-modules.ts";

const needyLibraries: ReadonlySet<string> = new Set(["node:child_process", "node:worker_threads"]);
/** Parts of `src` that start programs or an embedded database. */
const needyParts =
  /^src\/(?:main\.ts|service\.ts|service\/|agent\/commands\/|processes\/|database\/embedded\/|database\/open-database\.ts)/;
/** Variables with the addresses of test services. */
const serviceVariables = "ATTUNE_TEST_";

/** @param root the repository's folder @returns the files, relative to it */
export function unitTests(root: string): string[] {
  const needy = new Map<string, boolean>();
  return globSync("test/**/*.test.ts", { cwd: root })
    .toSorted()
    .filter((file) => !isNeedy(root, file, needy));
}

function isNeedy(root: string, file: string, known: Map<string, boolean>): boolean {
  const answer = known.get(file);
  if (answer !== undefined) return answer;
  // Ends recursion in a cycle of helpers; the other members of the cycle decide.
  known.set(file, false);
  const text = readFileSync(join(root, file), "utf8");
  const found =
    text.includes(serviceVariables) ||
    moduleRequests(file, text).some(({ specifier, isType }) => {
      if (specifier === undefined || isType) return false;
      if (!specifier.startsWith(".")) return needyLibraries.has(specifier);
      const target = resolve(root, dirname(file), specifier).slice(resolve(root).length + 1);
      return needyParts.test(target) || (isHelper(target) && isNeedy(root, target, known));
    });
  known.set(file, found);
  return found;
}

function isHelper(file: string): boolean {
  return /^(?:test|scripts|build)\/.*\.ts$/.test(file);
}
