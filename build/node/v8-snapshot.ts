/**
 * Where Node's start-up snapshot says whether V8 may hash its strings anew. build/packing/stub/hashes.c tells why one
 * would want to know.
 *
 * A snapshot of V8 begins with 32-bit numbers: how many contexts it has, whether it may be hashed anew, and two
 * checksums of what comes later. Then comes V8's version, filled up with zeros to 64 bytes. V8's own snapshot,
 * which Node does not use, has one context; Node's has several. See `SnapshotImpl` in V8's
 * src/snapshot/snapshot.cc.
 */
import assert from "node:assert/strict";
import { readElf, segmentFlag, segmentType } from "../packing/elf.ts";

const severalContexts = String.raw`[\x02-\x20]\0\0\0`;
const mayRehash = String.raw`\x01\0\0\0`;
const checksums = String.raw`[\s\S]{8}`;
const version = String.raw`\d+\.\d+\.\d+\.\d+-node\.\d+\0{32}`;
const header = new RegExp(severalContexts + mayRehash + checksums + version, "g");
const mayRehashOffset = 4;

/** The link address of that number. */
export function findMayRehash(program: Buffer): number {
  // latin1 maps every byte to one character, so that offsets are the same.
  const headers = [...program.toString("latin1").matchAll(header)];
  assert.equal(headers.length, 1, "Node does not hold a start-up snapshot as this build knows it");
  const offset = (headers[0]?.index ?? NaN) + mayRehashOffset;
  const segment = readElf(program).headers.find(
    ({ type, offset: start, fileSize }) =>
      type === segmentType.load && start <= offset && offset < start + fileSize,
  );
  // The stub makes its page writable for a moment, and then this again.
  assert.equal(segment?.flags, segmentFlag.read, "Node's start-up snapshot is not in read-only memory");
  return segment.address + offset - segment.offset;
}
