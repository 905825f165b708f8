/**
 * Encodes the plan for the stub: the `struct plan` of build/packing/stub/plan.h, field by field.
 */
import assert from "node:assert/strict";
import { write64 } from "./elf.ts";

export const loaderSegmentsMax = 8;
export const librariesMax = 16;

const segmentFields = 5;
const libraryFields = 5;

export const planBytes = 8 * (12 + loaderSegmentsMax * segmentFields + 1 + librariesMax * libraryFields);

export interface LoaderSegment {
  readonly offset: number;
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
  /** In mmap's encoding. */
  readonly protection: number;
}

/** All values but sizes are link addresses, as in the program's headers, without any load bias. */
export interface Plan {
  readonly address: number;
  readonly programEntry: number;
  readonly programHeaders: number;
  readonly programHeadersCount: number;
  /** Of the number in Node that build/packing/stub/hashes.c changes; 0 if the program has none. */
  readonly mayRehash: number;
  readonly payload: number;
  readonly payloadBytes: number;
  readonly loader: {
    readonly image: number;
    readonly bytes: number;
    /** Relative to the loader's base address, like its segments' addresses. */
    readonly entry: number;
    readonly extent: number;
    readonly segments: readonly LoaderSegment[];
  };
  readonly libraries: readonly {
    readonly image: number;
    readonly bytes: number;
    readonly name: number;
    readonly path: number;
  }[];
}

export function encodePlan(plan: Plan): Buffer {
  const { loader, libraries } = plan;
  assert(
    loader.segments.length <= loaderSegmentsMax,
    "the loader has more segments than the stub has room for",
  );
  assert(libraries.length <= librariesMax, "there are more libraries than the stub has room for");

  const fields = [
    plan.address,
    plan.programEntry,
    plan.programHeaders,
    plan.programHeadersCount,
    plan.mayRehash,
    plan.payload,
    plan.payloadBytes,
    loader.image,
    loader.bytes,
    loader.entry,
    loader.extent,
    loader.segments.length,
    ...padded(
      loader.segments.flatMap((segment) => [
        segment.offset,
        segment.address,
        segment.fileSize,
        segment.memorySize,
        segment.protection,
      ]),
      loaderSegmentsMax * segmentFields,
    ),
    libraries.length,
    ...padded(
      libraries.flatMap(({ image, bytes, name, path }) => [image, bytes, name, path, descriptorToBe]),
      librariesMax * libraryFields,
    ),
  ];
  const encoded = Buffer.alloc(planBytes);
  fields.forEach((field, index) => write64(encoded, index * 8, field));
  return encoded;
}

/** Placeholder that the stub overwrites with the descriptor's number. */
const descriptorToBe = 0;

function padded(fields: readonly number[], length: number): number[] {
  return [...fields, ...Array<number>(length - fields.length).fill(0)];
}
