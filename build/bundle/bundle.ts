/**
 * Bundles `src/` and its imports into a few scripts for the executable.
 *
 * Node reads the executable's whole main script before running it; with everything in it, that took 50 ms. So the
 * main script contains only what `--version` needs. The other scripts are assets, read when one of their modules is
 * first needed (build/bundle/runtime/later-script.ts):
 *
 *   main          src/main.ts
 *   detection     --detect-only
 *   probe         doctor --probe
 *   command-line  the command line
 *   commands      all other commands. Each is evaluated when called, together with its own imports, so that
 *                 `migrate` does not pay for an HTTP server
 *   backtest      the thread of a back-test, which starts with nothing else
 *
 * They are CommonJS, which starts faster because Node has no code cache for ES modules in executables. Their white
 * space is removed, because a script stays in memory as a whole: in the heap, and in the pages of the file that it was
 * read from. Names are kept, so that stack traces stay readable.
 */
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { access } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { isOfCommandLine, main, scriptWith, threadModules, type ThreadScript } from "./entries.ts";
import { laterScriptBegin, laterScriptEnd, type LaterScript } from "./runtime/later-script.ts";

export interface Bundle {
  /** Paths of the scripts. */
  readonly main: string;
  readonly later: Readonly<Record<LaterScript, string>>;
  /** Of threads, which each evaluate one of their own. */
  readonly threads: Readonly<Record<ThreadScript, string>>;
  /** Which files of which packages they contain. */
  readonly metafiles: readonly Metafile[];
}

const loader = "build/bundle/runtime/later-script.ts";

export async function bundle(repository: string, workDirectory: string): Promise<Bundle> {
  // esbuild silently ignores a missing tsconfig.json, and our code would then not be strict.
  await access(join(repository, "tsconfig.json"));
  const mainScript = join(workDirectory, "main.cjs");
  const called = {
    detection: new Set<string>(),
    probe: new Set<string>(),
    "command-line": new Set<string>(),
    commands: new Set<string>(),
  };
  const { metafile: mainMetafile } = await build({
    ...common(repository),
    entryPoints: [main],
    outfile: mainScript,
    plugins: [leaveOut({ repository, isImporter: (path) => path === main, called })],
  });

  const later = {
    detection: join(workDirectory, "detection.cjs"),
    probe: join(workDirectory, "probe.cjs"),
    "command-line": join(workDirectory, "command-line.cjs"),
    commands: join(workDirectory, "commands.cjs"),
  };
  const alone = (script: "detection" | "probe"): Promise<Metafile> =>
    buildLater(called[script], { repository, outfile: later[script], plugins: [] });
  const [detectionMetafile, probeMetafile] = [await alone("detection"), await alone("probe")];

  const plugin = leaveOut({ repository, isImporter: isOfCommandLine, called });
  const commandLineOptions = { repository, outfile: later["command-line"], plugins: [plugin] };
  const commandLineMetafile = await buildLater(called["command-line"], commandLineOptions);

  const commandsOptions = { repository, outfile: later.commands, plugins: [] };
  const first = await buildLater(called.commands, commandsOptions);
  const commandsMetafile = await buildLater(
    new Set([...called.commands, ...modulesLoadedLater(first)]),
    commandsOptions,
  );
  const threads = { backtest: join(workDirectory, "backtest.cjs") };
  const { metafile: backtestMetafile } = await build({
    ...common(repository),
    entryPoints: [threadModules.backtest],
    outfile: threads.backtest,
    banner: { js: ownUrl },
    define: ownUrlName,
  });
  const metafiles = [
    mainMetafile,
    detectionMetafile,
    probeMetafile,
    commandLineMetafile,
    commandsMetafile,
    backtestMetafile,
  ];
  return { main: mainScript, later, threads, metafiles };
}

/** By the keys under which src looks for them. */
export function threadAssets(threads: Bundle["threads"]): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(threads).map(([name, path]) => [`script/${name}.cjs`, path]));
}

function common(repository: string) {
  return {
    absWorkingDir: repository,
    bundle: true,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Node 26 supports it; without this setting, esbuild would lower it.
    supported: { using: true },
    // One byte per character, so that the script can be read as latin1 without decoding.
    charset: "ascii",
    minifyWhitespace: true,
    // Node prints the line of a fatal error.
    lineLimit: 160,
    logLevel: "warning",
    logOverride: { "empty-import-meta": "silent" },
    legalComments: "none",
  } satisfies BuildOptions;
}

/** Libraries that look for their own files look next to the executable and find none; the ones needed are among the assets. */
const ownUrl = 'const ownUrl = require("node:url").pathToFileURL(process.execPath).href;';
const ownUrlName = { "import.meta.url": "ownUrl" };

interface LaterOptions {
  readonly repository: string;
  readonly outfile: string;
  readonly plugins: Plugin[];
}

async function buildLater(
  paths: ReadonlySet<string>,
  { repository, outfile, plugins }: LaterOptions,
): Promise<Metafile> {
  const { metafile } = await build({
    ...common(repository),
    stdin: { contents: modulesByPath(paths), resolveDir: repository, sourcefile: "modules.js" },
    outfile,
    plugins,
    // The function is in the text itself: to put it around the text at each start would copy megabytes.
    banner: { js: `${laterScriptBegin}${ownUrl}` },
    footer: { js: laterScriptEnd },
    define: ownUrlName,
  });
  return metafile;
}

/** An object with a function for each module path that evaluates the module. */
function modulesByPath(paths: ReadonlySet<string>): string {
  const entries = [...paths]
    .toSorted()
    .map((path) => `${JSON.stringify(path)}: () => require(${JSON.stringify(`./${path}`)}),`);
  return `module.exports = {\n${entries.join("\n")}\n};`;
}

interface LeftOut {
  readonly repository: string;
  /** Whether the dynamic imports of the module with this path are left out. */
  readonly isImporter: (path: string) => boolean;
  /** Receives their paths, by the script that contains them instead. */
  readonly called: Readonly<Record<LaterScript, Set<string>>>;
}

/** Replaces each module that is left out by one that loads it from its later script. */
function leaveOut({ repository, isImporter, called }: LeftOut): Plugin {
  const namespace = "later";
  return {
    name: "leave-out",
    setup(hooks) {
      hooks.onResolve({ filter: /^\.\// }, (args) => {
        const isLater = args.kind === "dynamic-import" && isImporter(relative(repository, args.importer));
        const path = relative(repository, resolve(dirname(args.importer), args.path));
        return isLater ? { namespace, path } : undefined;
      });
      hooks.onLoad({ filter: /./, namespace }, ({ path }) => {
        const script = scriptWith(path);
        called[script].add(path);
        const contents = `
          const { loadModule } = require(${JSON.stringify(`./${loader}`)});
          module.exports = loadModule(${JSON.stringify(script)}, ${JSON.stringify(path)});`;
        return { contents, resolveDir: repository };
      });
    },
  };
}

/** Dynamically imported modules of src, which must be evaluated too when the code cache is made. */
function modulesLoadedLater({ inputs }: Metafile): readonly string[] {
  const imports = Object.entries(inputs).flatMap(([importer, input]) =>
    importer.startsWith("src/") ? input.imports : [],
  );
  return imports
    .filter(({ kind, external, path }) => kind === "dynamic-import" && !external && path.startsWith("src/"))
    .map(({ path }) => path);
}
