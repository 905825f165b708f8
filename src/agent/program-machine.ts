import { open } from "node:fs/promises";

/** ELF's `e_machine` (gABI, "ELF Header") to Node's `process.arch`. */
const machines: ReadonlyMap<number, string> = new Map([
  [62, "x64"],
  [183, "arm64"],
]);

/** The architecture a program is compiled for; undefined if it is not an ELF file, such as a script. */
export async function programMachine(path: string): Promise<string | undefined> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
  if (bytesRead < 20 || buffer.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  return machines.get(buffer.readUInt16LE(18)) ?? "another kind of machine";
}
