/**
 * Finds the number in Node's start-up snapshot that tells V8 whether to rehash its strings;
 * build/packing/stub/hashes.c explains what for.
 *
 * A V8 snapshot begins with 32-bit numbers: the number of contexts, whether it may be rehashed, and two checksums of
 * the rest. V8's version follows, padded with zeros to 64 bytes. V8's own snapshot, which Node does not use, has one
 * context; Node's has several. See `SnapshotImpl` in V8's src/snapshot/snapshot.cc.
 */
import assert from "node:assert/strict";
import { readElf, segmentFlag, segmentType } from "../packing/elf.ts";

const severalContexts = String.raw`[\x02-\x20]\0\0\0`;
const mayRehash = String.raw`\x01\0\0\0`;
const checksums = String.raw`[\s\S]{8}`;
const version = String.raw`\d+\.\d+\.\d+\.\d+-node\.\d+\0{32}`;
const header = new RegExp(severalContexts + mayRehash + checksums + version, "g");
const mayRehashOffset = 4;

/** The link address of the number. */
export function findMayRehash(program: Buffer): number {
  // latin1 maps every byte to one character, so that offsets are the same.
  const headers = [...program.toString("latin1").matchAll(header)];
  assert.equal(headers.length, 1, "Node does not hold a start-up snapshot as this build knows it");
  const offset = (headers[0]?.index ?? NaN) + mayRehashOffset;
  const segment = readElf(program).headers.find(
    ({ type, offset: start, fileSize }) =>
      type === segmentType.load && start <= offset && offset < start + fileSize,
  );
  // The stub makes its page writable for a moment, then read-only again.
  assert.equal(segment?.flags, segmentFlag.read, "Node's start-up snapshot is not in read-only memory");
  return segment.address + offset - segment.offset;
}
