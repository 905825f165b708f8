/**
 * Reads from a 64-bit little-endian ELF file what the packing needs to know.
 *
 * Values are JavaScript numbers, since a program's offsets and addresses are far below 2^53. The layouts are
 * defined by the System V ABI (gABI, "Object Files" and "Dynamic Linking") and, for DT_VERNEED, by the Linux
 * Standard Base.
 */
import assert from "node:assert/strict";

export const programHeaderBytes = 56;

export const segmentType = { load: 1, dynamic: 2, interpreter: 3, note: 4, headers: 6 } as const;
export const segmentFlag = { execute: 1, write: 2, read: 4 } as const;
export const machine = { x64: 62, arm64: 183 } as const;

const dynamicTag = { end: 0, needed: 1, stringTable: 5, soname: 14 } as const;
const versionNeedTag = { first: 0x6ffffffe, count: 0x6fffffff } as const;

export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  readonly alignment: number;
}

/** A name that the loader looks up, and the position of the reference to it in the file. */
export interface NameReference {
  readonly name: string;
  readonly at: number;
}

export interface Elf {
  readonly bytes: Buffer;
  readonly machine: number;
  readonly entry: number;
  readonly headersOffset: number;
  readonly headers: readonly ProgramHeader[];
}

export interface DynamicLinking {
  readonly stringTable: number;
  readonly soname: string | undefined;
  /** DT_NEEDED: `at` is the file offset of the entry's eight-byte value. */
  readonly needed: readonly NameReference[];
  /** DT_VERNEED: `at` is the file offset of the four-byte `vn_file`. */
  readonly versionNeeds: readonly NameReference[];
}

export function readElf(bytes: Buffer): Elf {
  assert(
    bytes.subarray(0, 6).equals(Buffer.from("\x7fELF\x02\x01", "latin1")),
    "not a 64-bit little-endian ELF",
  );
  assert.equal(bytes.readUInt16LE(54), programHeaderBytes);
  const headersOffset = read64(bytes, 32);
  const headersCount = bytes.readUInt16LE(56);
  const headers = Array.from({ length: headersCount }, (_, index) =>
    readProgramHeader(bytes, headersOffset + index * programHeaderBytes),
  );
  return { bytes, machine: bytes.readUInt16LE(18), entry: read64(bytes, 24), headersOffset, headers };
}

/** Undefined for a program without a dynamic section, that is, a static one. */
export function readDynamicLinking(elf: Elf): DynamicLinking | undefined {
  const dynamic = elf.headers.find(({ type }) => type === segmentType.dynamic);
  if (dynamic === undefined) return undefined;

  const entries: { readonly tag: number; readonly value: number; readonly valueAt: number }[] = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.fileSize; at += 16) {
    const tag = read64(elf.bytes, at);
    if (tag === dynamicTag.end) break;
    entries.push({ tag, value: read64(elf.bytes, at + 8), valueAt: at + 8 });
  }
  const valueOf = (wanted: number): number | undefined => entries.find(({ tag }) => tag === wanted)?.value;

  const stringTable = valueOf(dynamicTag.stringTable);
  assert(stringTable !== undefined, "a dynamic section without string table");
  const nameAt = (offset: number): string => readString(elf.bytes, offsetOf(elf, stringTable) + offset);
  const soname = valueOf(dynamicTag.soname);

  return {
    stringTable,
    soname: soname === undefined ? undefined : nameAt(soname),
    needed: entries
      .filter(({ tag }) => tag === dynamicTag.needed)
      .map(({ value, valueAt }) => ({ name: nameAt(value), at: valueAt })),
    versionNeeds: readVersionNeeds(elf, valueOf(versionNeedTag.first), valueOf(versionNeedTag.count), nameAt),
  };
}

export function readInterpreter(elf: Elf): string | undefined {
  const header = elf.headers.find(({ type }) => type === segmentType.interpreter);
  return header === undefined ? undefined : readString(elf.bytes, header.offset);
}

/** The file offset of the byte that is loaded at `address`. */
export function offsetOf(elf: Elf, address: number): number {
  const header = elf.headers.find(
    ({ type, address: start, fileSize }) =>
      type === segmentType.load && start <= address && address < start + fileSize,
  );
  assert(header !== undefined, `no segment of the file holds address 0x${address.toString(16)}`);
  return header.offset + (address - header.address);
}

export function writeProgramHeader(into: Buffer, at: number, header: ProgramHeader): void {
  into.writeUInt32LE(header.type, at);
  into.writeUInt32LE(header.flags, at + 4);
  write64(into, at + 8, header.offset);
  write64(into, at + 16, header.address);
  write64(into, at + 24, header.address);
  write64(into, at + 32, header.fileSize);
  write64(into, at + 40, header.memorySize);
  write64(into, at + 48, header.alignment);
}

export function write64(into: Buffer, at: number, value: number): void {
  into.writeBigUInt64LE(BigInt(value), at);
}

function readVersionNeeds(
  elf: Elf,
  first: number | undefined,
  count: number | undefined,
  nameAt: (offset: number) => string,
): NameReference[] {
  if (first === undefined || count === undefined) return [];
  const references: NameReference[] = [];
  let at = offsetOf(elf, first);
  for (let index = 0; index < count; index += 1) {
    references.push({ name: nameAt(elf.bytes.readUInt32LE(at + 4)), at: at + 4 });
    at += elf.bytes.readUInt32LE(at + 12);
  }
  return references;
}

function readProgramHeader(bytes: Buffer, at: number): ProgramHeader {
  return {
    type: bytes.readUInt32LE(at),
    flags: bytes.readUInt32LE(at + 4),
    offset: read64(bytes, at + 8),
    address: read64(bytes, at + 16),
    fileSize: read64(bytes, at + 32),
    memorySize: read64(bytes, at + 40),
    alignment: read64(bytes, at + 48),
  };
}

function readString(bytes: Buffer, at: number): string {
  return bytes.toString("latin1", at, bytes.indexOf(0, at));
}

function read64(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}
