/**
 * Bundles the page of src/page: one script, one style sheet, one icon and one document that names them.
 *
 * The names of all but the document contain a hash of their content, so that browsers may keep them for good. Everything is
 * compressed here, once, instead of at each request.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { build, type Metafile } from "esbuild";

export interface BundledPage {
  /** File name to content, not compressed. */
  readonly files: ReadonlyMap<string, Buffer>;
  readonly metafile: Metafile;
}

const scriptName = "main.js";
const styleName = "page.css";
const iconName = "icon.svg";

export async function bundlePage(repository: string): Promise<BundledPage> {
  const source = join(repository, "src/page");
  const { outputFiles, metafile } = await build({
    absWorkingDir: repository,
    entryPoints: [join(source, "main.tsx"), join(source, "page.css")],
    outdir: source,
    write: false,
    bundle: true,
    minify: true,
    metafile: true,
    format: "esm",
    target: ["chrome120", "firefox121", "safari17"],
    tsconfig: join(source, "tsconfig.json"),
    define: { "process.env.NODE_ENV": '"production"' },
    legalComments: "none",
    logLevel: "warning",
  });
  const plain = new Map<string, Buffer>([[iconName, await readFile(join(source, iconName))]]);
  for (const { path, contents } of outputFiles) plain.set(basename(path), Buffer.from(contents));

  const files = new Map<string, Buffer>();
  let document = await readFile(join(source, "index.html"), "utf8");
  for (const name of [scriptName, styleName, iconName]) {
    const content = plain.get(name);
    if (content === undefined) throw new Error(`the bundle of the page has no ${name}`);
    const hashed = hashedName(name, content);
    files.set(hashed, content);
    document = document.replaceAll(`"${name}"`, `"${hashed}"`);
  }
  files.set("index.html", Buffer.from(document.replaceAll(/>\s+</g, "><")));
  return { files, metafile };
}

function hashedName(name: string, content: Buffer): string {
  const hash = createHash("sha256").update(content).digest("hex").slice(0, 12);
  return `${basename(name, extname(name))}-${hash}${extname(name)}`;
}

/** Writes the compressed files into a folder, which replaces the former one as a whole. */
export async function writePage({ files }: BundledPage, folder: string): Promise<void> {
  const unfinished = `${folder}.${process.pid}`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  for (const [name, content] of files)
    await writeFile(join(unfinished, `${name}.gz`), gzipSync(content, { level: 9 }));
  await mkdir(dirname(folder), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(unfinished, folder).catch(async (error: unknown) => {
    // Somebody else has just written the same.
    await rm(unfinished, { recursive: true, force: true });
    if (!(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
  });
}

/** Keys of the executable's assets to the paths of the files in that folder. */
export async function pageAssets(folder: string): Promise<Readonly<Record<string, string>>> {
  const names = await readdir(folder);
  return Object.fromEntries(names.map((name) => [`page/${name}`, join(folder, name)]));
}

/** Where an agent that runs from its sources finds the page. */
export function sourcesPageFolder(repository: string): string {
  return join(repository, ".local/page");
}
