/** What a sensor prints, decoded once into events; docs/sensors.md is its reference for authors. */
import { isUtf8 } from "node:buffer";
import { isJsonArray, isJsonObject, type JsonValue } from "../model/json.ts";
import { decodeJson } from "../model/json-text.ts";
import type { Line } from "../processes/lines.ts";
import { decodeValue } from "./decode-value.ts";
import { rejected, type Decoded, type ServedTriggers } from "./decoded.ts";

/** One line of a stream sensor's output. */
export function decodeLine(line: Line, served: ServedTriggers): Decoded {
  if (typeof line !== "string") {
    const reason =
      line.kind === "too-long" ? `the line of ${line.bytes} bytes is too long` : "the line is not UTF-8";
    return rejected(reason, line.excerpt);
  }
  const text = line.trim();
  if (text === "") return { kind: "nothing" };

  const json = decodeJson(text);
  if (json.kind === "invalid") return rejected(json.problem, text);
  if (!isJsonObject(json.value)) return rejected("the line is not a JSON object", text);
  return decodeValue(json.value, served, text);
}

/** What a poll run printed, piece by piece, each with its text. */
export type PollPiece = readonly [decoded: Decoded, text: string];

/**
 * All a poll run printed: a page `{"events": [payload or envelope, …], "checkpoint"?}` or an array of them,
 * however it is laid out, or one such document per line.
 *
 * An object is a page if it has no keys but a page's; any other object is an event, and keeps its `events`.
 */
export function decodePoll(output: Buffer, served: ServedTriggers): readonly PollPiece[] {
  const text = output.toString("utf8").trim();
  if (!isUtf8(output)) return [[rejected("the output is not UTF-8", text), text]];
  if (text === "") return [];
  const whole = decodeJson(text);
  if (whole.kind === "valid") return decodeDocument(whole.value, served, text);
  return text.split("\n").flatMap((line): readonly PollPiece[] => {
    const json = decodeJson(line);
    return json.kind === "valid"
      ? decodeDocument(json.value, served, line)
      : [[decodeLine(line, served), line]];
  });
}

function decodeDocument(value: JsonValue, served: ServedTriggers, text: string): readonly PollPiece[] {
  if (isJsonArray(value)) return value.map((entry) => decodeEntry(entry, served));
  if (!isJsonObject(value)) return [[rejected("the line is not a JSON object", text), text]];
  const { events, checkpoint, ...others } = value;
  const isPage = (isJsonArray(events) || events === null) && Object.keys(others).length === 0;
  if (!isPage) return [[decodeValue(value, served, text), text]];
  const entries = (events ?? []).map((entry) => decodeEntry(entry, served));
  return checkpoint === undefined || checkpoint === null ? entries : withCheckpoint(entries, checkpoint);
}

function decodeEntry(entry: JsonValue, served: ServedTriggers): PollPiece {
  const text = JSON.stringify(entry);
  return [decodeValue(isJsonObject(entry) ? entry : { payload: entry }, served, text), text];
}

/** A page's checkpoint comes after all its events: with the last of them, if that is one. */
function withCheckpoint(entries: readonly PollPiece[], checkpoint: JsonValue): readonly PollPiece[] {
  const [last, text] = entries.at(-1) ?? [];
  if (last?.kind !== "event" || text === undefined)
    return [...entries, [{ kind: "checkpoint", checkpoint }, JSON.stringify(checkpoint)]];
  return [...entries.slice(0, -1), [{ ...last, event: { ...last.event, checkpoint } }, text]];
}
