/**
 * All of `src/` and what it imports as one script, ready to be put into the executable.
 *
 * CommonJS and not minified: both start faster (Node keeps no code cache of ES modules in executables, and
 * long lines cost the parser nothing that names do not). A module that is imported by `import()` is
 * evaluated when that runs, with all that only it imports; so `--version` does not pay for a database
 * driver.
 */
import { build, type Metafile } from "esbuild";
import { join } from "node:path";

export interface Bundle {
  readonly path: string;
  /** Which files of which packages went into it. */
  readonly metafile: Metafile;
}

export async function bundle(repository: string, entry: string, workDirectory: string): Promise<Bundle> {
  const path = join(workDirectory, "agent.cjs");
  const { metafile } = await build({
    absWorkingDir: repository,
    entryPoints: [entry],
    outfile: path,
    bundle: true,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Node 26 has it; without this, esbuild would lower it to helper functions.
    supported: { using: true },
    // A library's way to its own files leads beside the executable, where they are not: what we need of
    // them is among the assets.
    banner: { js: 'const ownUrl = require("node:url").pathToFileURL(process.execPath).href;' },
    define: { "import.meta.url": "ownUrl" },
    logLevel: "warning",
    logOverride: { "empty-import-meta": "silent" },
    legalComments: "none",
  });
  return { path, metafile };
}
