/** The same small sensor, once with each kit, as a pack has it: sensors/ beside lib/. */
import { cp, mkdir, mkdtempDisposable } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { repositoryRoot } from "../../scripts/repository.ts";

export interface KitProgram {
  readonly language: "python" | "node" | "shell";
  readonly interpreter: string;
  /** In sensors/. */
  readonly script: string;
  /** Relative to sdk/. */
  readonly kit: string;
}

export const kitPrograms: readonly KitProgram[] = [
  { language: "python", interpreter: "python3", script: "counter.py", kit: "python/attune_sensor.py" },
  { language: "node", interpreter: process.execPath, script: "counter.mjs", kit: "node/attune-sensor.mjs" },
  { language: "shell", interpreter: "sh", script: "counter.sh", kit: "shell/attune-sensor.sh" },
];

export interface KitPack extends AsyncDisposable {
  /** The folder of packs, which contains the pack `kits`. */
  readonly packsDirectory: string;
  readonly directory: string;
}

export async function kitPack(): Promise<KitPack> {
  const packs = await mkdtempDisposable(join(tmpdir(), "attune-kits-"));
  const directory = join(packs.path, "kits");
  await mkdir(join(directory, "lib"), { recursive: true });
  await cp(join(import.meta.dirname, "fixtures"), join(directory, "sensors"), { recursive: true });
  for (const { kit } of kitPrograms)
    await cp(join(repositoryRoot, "sdk", kit), join(directory, "lib", kit.split("/").at(-1) ?? ""));
  return {
    packsDirectory: packs.path,
    directory,
    [Symbol.asyncDispose]: () => packs[Symbol.asyncDispose](),
  };
}
