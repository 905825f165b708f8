/** `triggers schema`: what payloads of a trigger look like, and how they differ from its out_schema. */
import { listOf, objectOf, type JsonObject, type JsonValue } from "../../model/json/json.ts";
import { counted } from "../../model/texts/counted.ts";
import { entryText, linesText, listText } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export async function showSchema(
  invocation: ClientInvocation,
  ref: string,
  isSuggesting: boolean,
): Promise<ExitCode> {
  const { data } = await clientOf(invocation).ask({
    path: `/api/v1/triggers/${encodeURIComponent(ref)}/schema-memory`,
    attempt: `show what payloads of ${ref} look like`,
  });
  const memory = objectOf(data);
  const { output, print } = invocation;
  if (isSuggesting) {
    const suggestion = objectOf(memory["suggested_schema"]);
    print(entryText(output === "json" ? suggestion : { out_schema: suggestion }, output));
    return 0;
  }
  print(output === "table" ? memoryText(memory) : entryText(memory, output));
  return 0;
}

const columns = [
  ["FIELD", "path"],
  ["IN", "share"],
  ["TYPES", "types"],
  ["EXAMPLES", "examples"],
] as const;

function memoryText(memory: JsonObject): string {
  const { samples = 0, trigger_ref: ref, last_at: last } = memory;
  if (samples === 0)
    return linesText([
      `no payload of ${written(ref)} was seen yet; agents write what they learn every 30 seconds`,
    ]);
  const fields = listOf(memory["fields"]).map((field) => fieldRow(objectOf(field)));
  return [
    linesText([
      `${written(ref)}: learned from ${counted(Number(samples), "payload")}, the last at ${written(last)}`,
    ]),
    listText(fields, columns, "table"),
    ...(memory["is_cut"] === true ? ["and more fields, which are too many to remember\n"] : []),
    section("differences from its out_schema", textsOf(memory["differences"], "text")),
    section("changes", textsOf(memory["drifts"], "text")),
  ].join("\n");
}

function fieldRow({ path = "", share, types, examples }: JsonObject): JsonObject {
  return {
    path,
    share: `${Math.round(100 * Number(share ?? 0))} %`,
    types: textsOf(types, "type"),
    examples: listOf(examples),
  };
}

function section(title: string, lines: readonly string[]): string {
  if (lines.length === 0) return `${title}: none\n`;
  return linesText([`${title}:`, ...lines.map((line) => `  ${line}`)]);
}

function textsOf(entries: JsonValue | undefined, key: string): readonly string[] {
  return listOf(entries).map((entry) => written(objectOf(entry)[key]));
}

function written(value: JsonValue = ""): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
