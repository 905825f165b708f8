/** Parses printed text as JSON, in slices if it is long. */
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { valid, type Decoded } from "../../model/json/decoded.ts";
import { jsonNumber } from "../../model/json/exact-number.ts";
import { isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { isAtMostDeep } from "../../model/json/equality.ts";
import { JsonReader } from "../../model/json/json-reader.ts";
import { decodeJson, jsonDepthMax, jsonReader } from "../../model/json/json-text.ts";
import { isEnvelope } from "./decode-value.ts";

/** A text of this many characters is parsed in a few milliseconds, whatever it contains. */
export const quickLengthMax = 32 * 1024;

const readWork = 64 * 1024;

/** Like `decodeJson`, for a longer text. */
export async function decodeLongJson(text: string, slices: WorkSlices): Promise<Decoded<JsonValue>> {
  return readAll(jsonReader(text), slices);
}

/**
 * The checkpoint of an envelope that is JSON but is rejected because it is too deep or a number in it is too long.
 * Undefined for any other text, and if the checkpoint itself is the problem.
 */
export function checkpointBeside(text: string): JsonValue | undefined {
  return mayHaveCheckpoint(text)
    ? checkpointOf(lenientReader(text).read(Number.POSITIVE_INFINITY))
    : undefined;
}

/** Like `checkpointBeside`, for a longer text. */
export async function checkpointBesideLong(text: string, slices: WorkSlices): Promise<JsonValue | undefined> {
  return mayHaveCheckpoint(text) ? checkpointOf(await readAll(lenientReader(text), slices)) : undefined;
}

function mayHaveCheckpoint(text: string): boolean {
  return text.startsWith("{") && text.includes('"checkpoint"');
}

/** Reads any valid JSON. */
function lenientReader(text: string): JsonReader {
  return new JsonReader(text, {
    depthMax: Number.POSITIVE_INFINITY,
    number: (source) => valid(jsonNumber(source)),
  });
}

function checkpointOf(read: Decoded<JsonValue> | undefined): JsonValue | undefined {
  if (read?.kind !== "valid" || !isJsonObject(read.value) || !isEnvelope(read.value)) return undefined;
  const checkpoint = read.value["checkpoint"] ?? undefined;
  if (checkpoint === undefined || !isAtMostDeep(checkpoint, jsonDepthMax)) return undefined;
  return decodeJson(JSON.stringify(checkpoint)).kind === "valid" ? checkpoint : undefined;
}

async function readAll(reader: JsonReader, slices: WorkSlices): Promise<Decoded<JsonValue>> {
  for (let read = reader.read(readWork); ; read = reader.read(readWork)) {
    await slices.spend(readWork);
    if (read !== undefined) return read;
  }
}
