import { open } from "node:fs/promises";

/** As Node names them (`process.arch`), by `e_machine` of ELF (gABI, "ELF Header"). */
const machines: ReadonlyMap<number, string> = new Map([
  [62, "x64"],
  [183, "arm64"],
]);

/** For which kind of machine a program is compiled; undefined for what is no ELF file, such as a script. */
export async function programMachine(path: string): Promise<string | undefined> {
  await using file = await open(path, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
  if (bytesRead < 20 || buffer.toString("latin1", 0, 4) !== "\x7fELF") return undefined;
  return machines.get(buffer.readUInt16LE(18)) ?? "another kind of machine";
}
