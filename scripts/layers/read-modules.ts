/**
 * Reads a folder's modules and their imports of every kind: static and type-only imports, re-exports, dynamic
 * imports, and types written `import("…").Name`.
 */
import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative, resolve, sep } from "node:path";
import { parseSync, Visitor } from "oxc-parser";
import type { SourceImport, SourceModule } from "./source-module.ts";

/** @param root the repository's folder; its modules are those below `src` */
export function readModules(root: string): SourceModule[] {
  const source = resolve(root, "src");
  return globSync("**/*.{ts,tsx}", { cwd: source })
    .toSorted()
    .map((file) => {
      const text = readFileSync(join(source, file), "utf8");
      const path = slashed(file);
      return { path, imports: importsOf(root, `src/${path}`, text) };
    });
}

export interface ModuleRequest {
  readonly offset: number;
  /** Undefined if computed at run time. */
  readonly specifier: string | undefined;
  /** Whether only types are imported, which has no effect at run time. */
  readonly isType: boolean;
}

function importsOf(root: string, file: string, text: string): SourceImport[] {
  const requests = moduleRequests(file, text).toSorted((one, other) => one.offset - other.offset);
  return requests.map(({ offset, specifier }) => {
    const line = text.slice(0, offset).split("\n").length;
    return specifier === undefined ? { kind: "computed", line } : resolved(root, file, line, specifier);
  });
}

/** Every module that a file refers to. */
export function moduleRequests(file: string, text: string): ModuleRequest[] {
  const { module, program, errors } = parseSync(file, text);
  const [first] = errors;
  if (first !== undefined) throw new Error(`could not parse ${file}: ${first.message}`);

  const requests: ModuleRequest[] = [];
  for (const { moduleRequest, entries } of module.staticImports) {
    const isType = entries.length > 0 && entries.every((entry) => entry.isType);
    requests.push({ offset: moduleRequest.start, specifier: moduleRequest.value, isType });
  }
  for (const { entries } of module.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest === null) continue;
      requests.push({ offset: moduleRequest.start, specifier: moduleRequest.value, isType });
    }
  }
  new Visitor({
    ImportExpression({ start, source }) {
      const isLiteral = source.type === "Literal" && typeof source.value === "string";
      requests.push({ offset: start, specifier: isLiteral ? source.value : undefined, isType: false });
    },
    TSImportType({ start, source }) {
      requests.push({ offset: start, specifier: source.value, isType: true });
    },
  }).visit(program);
  return requests;
}

function resolved(root: string, file: string, line: number, specifier: string): SourceImport {
  if (!specifier.startsWith(".")) return { kind: "library", line, name: libraryName(specifier) };

  const target = slashed(relative(root, resolve(root, dirname(file), specifier)));
  return target.startsWith("src/")
    ? { kind: "module", line, path: target.slice("src/".length) }
    : { kind: "outside", line, path: target };
}

function libraryName(specifier: string): string {
  if (isBuiltin(specifier)) return specifier.startsWith("node:") ? specifier : `node:${specifier}`;
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

function slashed(path: string): string {
  return path.replaceAll(sep, "/");
}
