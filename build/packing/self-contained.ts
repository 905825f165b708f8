/**
 * Makes a dynamically linked program independent of the file system that it starts in. Its loader and libraries are
 * added to its own file, and the stub loads them in place of the kernel (build/packing/stub/stub.c has the details).
 *
 * The file before and after, in byte order:
 *
 *     program                     program, changed in four places:
 *       entry                       entry → the stub
 *       program headers             PT_INTERP gone; in its place, a PT_LOAD of the new segment
 *       DT_NEEDED "libc.so.6"       DT_NEEDED "/proc/self/fd/…", a string in the new segment
 *       DT_VERNEED "libc.so.6"      DT_VERNEED the same string
 *                                 the new segment, readable and executable:
 *                                   stub                                    at its start
 *                                   plan, second header table, strings      64 KiB later
 *                                   payload: loader, libraries              64 KiB later
 *
 * PT_INTERP's slot is reused because the table of program headers is followed by code and cannot grow. The second
 * table is for the loader, which requires a PT_INTERP and a PT_PHDR that points to the table itself.
 */
import assert from "node:assert/strict";
import {
  type Elf,
  type ProgramHeader,
  programHeaderBytes,
  readDynamicLinking,
  readElf,
  segmentFlag,
  segmentType,
  write64,
  writeProgramHeader,
} from "./elf.ts";
import { encodePlan, type LoaderSegment, planBytes } from "./plan.ts";

/** The largest page size that Linux uses; ranges with different protections must not share a page. */
const pageBytes = 0x10000;

export interface Library {
  /** The name in DT_NEEDED. */
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Ingredients {
  readonly program: Buffer;
  /** See build/node/v8-snapshot.ts; undefined for a program that is not Node. */
  readonly mayRehash?: number;
  readonly stub: Buffer;
  readonly loader: Library;
  /** All direct and indirect dependencies of the program except the loader. */
  readonly libraries: readonly Library[];
}

export function makeSelfContained(ingredients: Ingredients): Buffer {
  const { program } = ingredients;
  const elf = readElf(program);
  const linking = readDynamicLinking(elf);
  assert(linking !== undefined, "the program is static: it needs no packing");
  const segment = layOut(elf, ingredients);

  const packed = Buffer.concat([program, Buffer.alloc(segment.offset - program.length), segment.bytes]);
  write64(packed, 24, segment.address);
  segment.kernelHeaders.forEach((header, index) => {
    writeProgramHeader(packed, elf.headersOffset + index * programHeaderBytes, header);
  });
  for (const { name, at } of linking.needed) {
    const path = segment.paths.get(name);
    if (path !== undefined) write64(packed, at, path - linking.stringTable);
  }
  for (const { name, at } of linking.versionNeeds) {
    const path = segment.paths.get(name);
    if (path !== undefined) packed.writeUInt32LE(path - linking.stringTable, at);
  }
  return packed;
}

interface Segment {
  readonly offset: number;
  readonly address: number;
  readonly bytes: Buffer;
  readonly kernelHeaders: readonly ProgramHeader[];
  /** Link addresses of the strings that replace the libraries' names. */
  readonly paths: ReadonlyMap<string, number>;
}

function layOut(elf: Elf, { mayRehash = 0, stub, loader, libraries }: Omit<Ingredients, "program">): Segment {
  assert(stub.length <= pageBytes, "the stub has outgrown its page");
  const loads = elf.headers.filter(({ type }) => type === segmentType.load);
  const offset = roundUp(elf.bytes.length);
  const address = roundUp(Math.max(...loads.map((load) => load.address + load.memorySize)));
  const planAddress = address + pageBytes;
  const payloadAddress = planAddress + pageBytes;

  const payload = new Concatenation(payloadAddress);
  const loaderImage = payload.append(loader.bytes);
  const libraryImages = libraries.map(({ bytes }) => payload.append(bytes));

  const secondTable = planAddress + planBytes;
  const strings = new Concatenation(secondTable + (elf.headers.length + 1) * programHeaderBytes);
  const placed = libraries.map(({ name, bytes }, index) => ({
    image: libraryImages[index] ?? NaN,
    bytes: bytes.length,
    name: strings.append(Buffer.from(`${name}\0`)),
    path: strings.append(Buffer.from("/proc/self/fd/".padEnd(descriptorPathBytes, "\0"))),
  }));
  assert(strings.end <= payloadAddress, "plan, headers and strings have outgrown their page");

  const resident: ProgramHeader = {
    type: segmentType.load,
    flags: segmentFlag.read | segmentFlag.execute,
    offset,
    address,
    fileSize: strings.end - address,
    memorySize: strings.end - address,
    alignment: pageBytes,
  };
  const whole = { ...resident, fileSize: payload.end - address, memorySize: payload.end - address };
  const loaderHeaders = headersForLoader(elf, resident, secondTable, offset + (secondTable - address));

  const plan = encodePlan({
    address: planAddress,
    programEntry: elf.entry,
    programHeaders: secondTable,
    programHeadersCount: loaderHeaders.length,
    mayRehash,
    payload: payloadAddress,
    payloadBytes: payload.end - payloadAddress,
    loader: { image: loaderImage, bytes: loader.bytes.length, ...readLoader(loader.bytes) },
    libraries: placed,
  });

  const bytes = Buffer.alloc(payload.end - address);
  stub.copy(bytes, 0);
  plan.copy(bytes, planAddress - address);
  loaderHeaders.forEach((header, index) => {
    writeProgramHeader(bytes, secondTable - address + index * programHeaderBytes, header);
  });
  strings.copyTo(bytes, address);
  payload.copyTo(bytes, address);

  const paths = new Map(libraries.map(({ name }, index) => [name, placed[index]?.path ?? NaN]));
  return { offset, address, bytes, kernelHeaders: headersForKernel(elf, whole), paths };
}

/** "/proc/self/fd/", ten digits, NUL. */
const descriptorPathBytes = 25;

/** As many headers as before: without PT_INTERP, and with the new segment after the last PT_LOAD, in address order. */
function headersForKernel(elf: Elf, segment: ProgramHeader): ProgramHeader[] {
  const headers = elf.headers.filter(({ type }) => type !== segmentType.interpreter);
  const last = headers.findLastIndex(({ type }) => type === segmentType.load);
  headers.splice(last + 1, 0, segment);
  assert.equal(
    headers.length,
    elf.headers.length,
    "the program names no loader: it is static or packed already",
  );
  return headers;
}

/** One header more than before: PT_INTERP stays, and PT_PHDR points to this table. */
function headersForLoader(
  elf: Elf,
  segment: ProgramHeader,
  tableAddress: number,
  tableOffset: number,
): ProgramHeader[] {
  const tableSize = (elf.headers.length + 1) * programHeaderBytes;
  const headers = elf.headers.map((header) =>
    header.type === segmentType.headers
      ? { ...header, offset: tableOffset, address: tableAddress, fileSize: tableSize, memorySize: tableSize }
      : header,
  );
  const last = headers.findLastIndex(({ type }) => type === segmentType.load);
  headers.splice(last + 1, 0, segment);
  return headers;
}

function readLoader(bytes: Buffer): {
  readonly entry: number;
  readonly extent: number;
  readonly segments: readonly LoaderSegment[];
} {
  const elf = readElf(bytes);
  const loads = elf.headers.filter(({ type }) => type === segmentType.load);
  assert.equal(loads[0]?.address, 0, "the loader is not linked at address 0");
  return {
    entry: elf.entry,
    extent: Math.max(...loads.map((load) => load.address + load.memorySize)),
    segments: loads.map(({ offset, address, fileSize, memorySize, flags }) => ({
      offset,
      address,
      fileSize,
      memorySize,
      protection: protectionOf(flags),
    })),
  };
}

/** In ELF, execute is 1, write 2, read 4; in mmap, read is 1, write 2, execute 4. */
function protectionOf(flags: number): number {
  const read = flags & segmentFlag.read ? 1 : 0;
  const write = flags & segmentFlag.write ? 2 : 0;
  const execute = flags & segmentFlag.execute ? 4 : 0;
  return read | write | execute;
}

function roundUp(value: number): number {
  return Math.ceil(value / pageBytes) * pageBytes;
}

/** Concatenated bytes that start at a given address. */
class Concatenation {
  readonly #start: number;
  readonly #parts: Buffer[] = [];
  end: number;

  constructor(start: number) {
    this.#start = start;
    this.end = start;
  }

  /** Returns the address of what was appended. */
  append(part: Buffer): number {
    const address = this.end;
    this.#parts.push(part);
    this.end += part.length;
    return address;
  }

  copyTo(target: Buffer, targetAddress: number): void {
    Buffer.concat(this.#parts).copy(target, this.#start - targetAddress);
  }
}
