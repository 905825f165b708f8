/** Decodes a line of a stream sensor's output. */
import type { WorkSlices } from "../../concurrency/work-slices.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../../model/json/json.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import type { Line } from "../../processes/lines.ts";
import { checkpointBeside, checkpointBesideLong, decodeLongJson } from "./decode-text.ts";
import { decodeValue } from "./decode-value.ts";
import { rejected, type DecodedOutput, type ServedTriggers } from "./decoded-output.ts";

const notAnObject = "the line is not a JSON object";
const array = `${notAnObject} but an array; print one object a line, for example with jq -c '.[]'`;

export function decodeLine(line: Line, served: ServedTriggers): DecodedOutput {
  if (typeof line !== "string") {
    const reason =
      line.kind === "too-long"
        ? `the line of ${line.bytes} bytes is too long (sensor.line_bytes_max)`
        : "the line is not UTF-8";
    return rejected(reason, line.excerpt);
  }
  const text = line.trim();
  if (text === "") return { kind: "nothing" };
  const json = decodeJson(text);
  if (json.kind === "invalid") return rejected(json.problem, text, checkpointBeside(text));
  return decodeJsonLine(json.value, served, text);
}

/** Like `decodeLine`, for a long line without surrounding spaces. */
export async function decodeLongLine(
  text: string,
  served: ServedTriggers,
  slices: WorkSlices,
): Promise<DecodedOutput> {
  const json = await decodeLongJson(text, slices);
  if (json.kind === "invalid") return rejected(json.problem, text, await checkpointBesideLong(text, slices));
  return decodeJsonLine(json.value, served, text);
}

function decodeJsonLine(value: JsonValue, served: ServedTriggers, text: string): DecodedOutput {
  if (isJsonObject(value)) return decodeValue(value, served, text);
  return rejected(isJsonArray(value) ? array : notAnObject, text);
}
