import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";

interface Locked {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

// npm leaves out what its registry could not give it when the lockfile was written, such as binaries for
// other platforms, and then `npm ci` refuses the lockfile everywhere.
test("the lockfile names every optional dependency, also those of other platforms", () => {
  const text = readFileSync(join(repositoryRoot, "package-lock.json"), "utf8");
  const { packages }: { readonly packages: Readonly<Record<string, Locked>> } = JSON.parse(text);

  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isFoundFrom(path, name, packages)),
  );

  expect(missing).toEqual([]);
});

/** As Node looks for a module: in its own node_modules, then in those further out. */
function isFoundFrom(path: string, name: string, packages: Readonly<Record<string, Locked>>): boolean {
  if (join(path, "node_modules", name) in packages) return true;
  return path !== "" && path !== "." && isFoundFrom(dirname(path), name, packages);
}
