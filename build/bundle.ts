/**
 * All of `src/` and what it imports as two scripts, ready to be put into the executable.
 *
 * Node reads the executable's main script whole before it runs a line of it; with everything in it, that took
 * 50 ms. So the main script has what every call needs, and --detect-only. All else that src/agent/cli.ts
 * imports by `import()` is in the second one, the commands script, which travels as an asset and is read
 * when the first of these is called (build/runtime/commands-script.ts). In it, each is evaluated when it is
 * called, with all that only it imports; so `migrate` does not pay for an HTTP server.
 *
 * Both are CommonJS and not minified, which starts faster: Node keeps no code cache of ES modules in
 * executables, and stack traces stay readable.
 */
import { type BuildOptions, build, type Metafile, type Plugin } from "esbuild";
import { dirname, join, resolve } from "node:path";

export interface Bundle {
  /** Paths of the two scripts. */
  readonly main: string;
  readonly commands: string;
  /** Which files of which packages went into them. */
  readonly metafiles: readonly Metafile[];
}

/** Who imports commands, and which of them stays in the main script. */
const commandLine = "src/agent/cli.ts";
const mainCommand = "./commands/detect-only.ts";

const commandsScriptLoader = "build/runtime/commands-script.ts";

export async function bundle(repository: string, workDirectory: string): Promise<Bundle> {
  const commandPaths = new Set<string>();
  const main = join(workDirectory, "agent.cjs");
  const { metafile: mainMetafile } = await build({
    ...common(repository),
    entryPoints: ["src/main.ts"],
    outfile: main,
    plugins: [leaveOutCommands(repository, commandPaths)],
  });

  const commands = join(workDirectory, "commands.cjs");
  const buildCommands = (paths: ReadonlySet<string>) =>
    build({
      ...common(repository),
      stdin: { contents: commandsEntry(paths), resolveDir: repository, sourcefile: "commands.js" },
      outfile: commands,
      // A library's way to its own files leads beside the executable, where they are not: what we need of
      // them is among the assets.
      banner: { js: 'const ownUrl = require("node:url").pathToFileURL(process.execPath).href;' },
      define: { "import.meta.url": "ownUrl" },
    });
  const { metafile } = await buildCommands(commandPaths);
  const { metafile: commandsMetafile } = await buildCommands(
    new Set([...commandPaths, ...modulesLoadedLater(metafile).map((path) => join(repository, path))]),
  );
  return { main, commands, metafiles: [mainMetafile, commandsMetafile] };
}

function common(repository: string) {
  return {
    absWorkingDir: repository,
    bundle: true,
    metafile: true,
    platform: "node",
    format: "cjs",
    target: "node26",
    // Node 26 has it; without this, esbuild would lower it to functions of its own.
    supported: { using: true },
    // One byte per character: what is read as latin1 needs no decoding.
    charset: "ascii",
    logLevel: "warning",
    logOverride: { "empty-import-meta": "silent" },
    legalComments: "none",
  } satisfies BuildOptions;
}

/** Puts in each command's place a module that takes it from the commands script, and notes its path. */
function leaveOutCommands(repository: string, commandPaths: Set<string>): Plugin {
  const namespace = "command";
  const importer = join(repository, commandLine);
  return {
    name: "leave-out-commands",
    setup(hooks) {
      hooks.onResolve({ filter: /^\.\// }, (args) => {
        const isCommand = args.kind === "dynamic-import" && args.importer === importer;
        if (!isCommand || args.path === mainCommand) return undefined;
        return { namespace, path: resolve(dirname(importer), args.path) };
      });
      hooks.onLoad({ filter: /./, namespace }, ({ path }) => {
        commandPaths.add(path);
        const contents = `
          const { loadCommand } = require(${JSON.stringify(`./${commandsScriptLoader}`)});
          module.exports = loadCommand(${JSON.stringify(path)});`;
        return { contents, resolveDir: repository };
      });
    },
  };
}

/** Modules of src that others import by `import()`: evaluated too when the code cache is made, it has them. */
function modulesLoadedLater({ inputs }: Metafile): readonly string[] {
  const imports = Object.entries(inputs).flatMap(([importer, input]) =>
    importer.startsWith("src/") ? input.imports : [],
  );
  const later = imports.filter(
    ({ kind, external, path }) => kind === "dynamic-import" && !external && path.startsWith("src/"),
  );
  return [...new Set(later.map(({ path }) => path))];
}

/** A function for each command, and each module loaded later, by its path, that evaluates it. */
function commandsEntry(paths: ReadonlySet<string>): string {
  const entries = [...paths].map((path) => {
    const quoted = JSON.stringify(path);
    return `${quoted}: () => require(${quoted}),`;
  });
  return `module.exports = {\n${entries.join("\n")}\n};`;
}
