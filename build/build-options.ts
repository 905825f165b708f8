import { parseArgs } from "node:util";
import { type Architecture, architectures } from "./architecture.ts";
import { BuilderError } from "./builder-error.ts";

export interface BuildOptions {
  readonly architecture: Architecture;
  /** Output folder, if not the default. */
  readonly out: string | undefined;
  readonly inEmptyRoot: boolean;
}

export function readBuildOptions(args: readonly string[]): BuildOptions {
  const { arch, out, "without-empty-root": withoutEmptyRoot } = parse(args);
  if (arch !== "x64" && arch !== "arm64") throw wrongCall(`there is no build for ${arch}`);
  return { architecture: architectures[arch], out, inEmptyRoot: !withoutEmptyRoot };
}

function parse(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        arch: { type: "string", default: process.arch },
        out: { type: "string" },
        "without-empty-root": { type: "boolean", default: false },
      },
    });
    return values;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    // The first sentence says what is wrong.
    throw wrongCall(error.message.replace(/\. .*/s, ""), error);
  }
}

function wrongCall(what: string, cause?: unknown): BuilderError {
  const usage = "npm run build -- [--arch x64|arm64] [--out FOLDER] [--without-empty-root]";
  return new BuilderError(`${what}; the call is ${usage}`, { exitCode: 2, cause });
}
