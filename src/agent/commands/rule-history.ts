/** `rules history`, `rules diff`, `rules revert`. */
import {
  isJsonArray,
  isJsonObject,
  objectOf,
  type JsonObject,
  type JsonValue,
} from "../../model/json/json.ts";
import { counted } from "../../model/texts/counted.ts";
import { entryText, linesText, listText, plainText, type Column } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

const columns: readonly Column[] = [
  ["VERSION", "version"],
  ["WHEN", "changed_at"],
  ["WHAT", "operation"],
  ["FIELDS", "changed"],
  ["BY", "changed_by"],
  ["TRIGGER", "trigger_ref"],
  ["ENABLED", "definition.enabled"],
];

export async function printHistory(invocation: ClientInvocation, ref: string): Promise<ExitCode> {
  const path = `${pathOf(ref)}/history`;
  const { data } = await clientOf(invocation).ask({ path, attempt: `read the history of the rule ${ref}` });
  invocation.print(listText(objectsOf(data), columns, invocation.output));
  return 0;
}

export async function printDifference(
  invocation: ClientInvocation,
  ref: string,
  from: string | undefined,
  to: string | undefined,
): Promise<ExitCode> {
  const query = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
  const path = `${pathOf(ref)}/history/diff`;
  const answer = await clientOf(invocation).ask({
    path,
    query,
    attempt: `compare versions of the rule ${ref}`,
  });
  const data = objectOf(answer["data"]);
  invocation.print(invocation.output === "table" ? differenceText(data) : entryText(data, invocation.output));
  return 0;
}

export async function revertRule(
  invocation: ClientInvocation,
  ref: string,
  version: string,
): Promise<ExitCode> {
  const client = clientOf(invocation);
  const attempt = `revert the rule ${ref} to version ${version}`;
  // Up to the newest version.
  const since = await client.ask({ path: `${pathOf(ref)}/history/diff`, query: { from: version }, attempt });
  const isInForce = objectsOf(objectOf(since["data"])["differences"]).length === 0;
  const { data } = await client.ask({
    method: "POST",
    path: `${pathOf(ref)}/revert`,
    body: { version: Number(version) },
    attempt,
  });
  invocation.print(
    invocation.output === "table"
      ? `rule ${ref}: ${isInForce ? `is already as in version ${version}, nothing to change` : `as in version ${version} again`}\n`
      : entryText(objectOf(data), invocation.output),
  );
  return 0;
}

function differenceText({ ref, from, to, differences }: JsonObject): string {
  const earlier = from === null ? "no version" : `version ${plainText(from)}`;
  const fields = objectsOf(differences);
  const count = fields.length === 0 ? "no difference" : counted(fields.length, "field");
  const lines = fields.flatMap((difference) => [
    plainText(difference["field"]),
    ...side("-", difference["from"]),
    ...side("+", difference["to"]),
  ]);
  return linesText([`${plainText(ref)}: ${earlier} → version ${plainText(to)}: ${count}`, ...lines]);
}

function side(sign: string, value: JsonValue | undefined): readonly string[] {
  return value === undefined ? [] : [`  ${sign} ${JSON.stringify(value)}`];
}

function pathOf(ref: string): string {
  return `/api/v1/rules/${encodeURIComponent(ref)}`;
}

function objectsOf(value: JsonValue | undefined): readonly JsonObject[] {
  return value !== undefined && isJsonArray(value) ? value.filter(isJsonObject) : [];
}
