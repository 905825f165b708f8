/** Pack folders made for one test, from a map of file names to texts. */
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export interface PackFolder extends AsyncDisposable {
  readonly directory: string;
  /** Writes a file, or with null removes it. */
  write(file: string, text: string | null): Promise<void>;
}

export async function packFolder(files: Readonly<Record<string, string>>): Promise<PackFolder> {
  const directory = await mkdtemp(join(tmpdir(), "attune-pack-"));
  const write = async (file: string, text: string | null): Promise<void> => {
    const path = join(directory, file);
    if (text === null) return rm(path);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
    await chmod(path, 0o644);
  };
  for (const [file, text] of Object.entries(files)) await write(file, text);
  return { directory, write, [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }) };
}

/** A small pack with one of each kind, and nothing wrong in it. */
export const demoPack: Readonly<Record<string, string>> = {
  "pack.yaml": 'ref: demo\nversion: "1.0.0"\n',
  "runtimes/ruby.yaml":
    "ref: ruby\nname: Ruby\ndistributions: { verification: { commands: [{ binary: ruby, args: [--version] }] } }\n",
  "triggers/tick.yaml": "ref: tick\n",
  "triggers/tock.yaml": "ref: tock\n",
  "actions/note.yaml": "ref: note\n",
  "sensors/clock.yaml":
    "ref: clock\nentrypoint: clock.rb\nruntime: ruby\nprotocol: stream\ntriggers: [tick, tock]\n",
  "sensors/clock.rb": "puts '{}'\n",
  "rules/noted.yaml": "ref: noted\ntrigger: tick\naction: note\n",
};
