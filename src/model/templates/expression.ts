/**
 * What may stand between `{{` and `}}`: one name of a fixed list, with a path behind it where the name
 * stands for JSON; or a quoted text, which stands for itself. There is nothing to call and nothing to
 * compute. docs/rules.md has the same list, compared in a test.
 */
import { invalid, valid, type Decoded } from "../decoded.ts";
import { parseFieldPath, readPath, type FieldPath } from "../field-path.ts";
import type { Id } from "../identifiers.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import { nearestName } from "../nearest-name.ts";
import type { EventFacts } from "../rule-match.ts";
import type { TextRoom } from "../text-room.ts";

/** What a rule's templates look at while one event is matched. */
export interface TemplateScope {
  readonly event: EventFacts;
  readonly rule: { readonly id: Id; readonly ref: string; readonly triggerParams: JsonObject };
  readonly room: TextRoom;
}

/** The value in this scope; undefined when there is none. */
export type Expression = (scope: TemplateScope) => JsonValue | undefined;

const scalars: Readonly<Record<string, Expression>> = {
  "event.id": ({ event }) => idNumber(event.id),
  "event.trigger_ref": ({ event }) => event.triggerRef,
  "event.source_ref": ({ event }) => event.sourceRef,
  "event.occurred_at": ({ event }) => event.occurredAt,
  "rule.id": ({ rule }) => idNumber(rule.id),
  "rule.ref": ({ rule }) => rule.ref,
};

const documents: Readonly<Record<string, (scope: TemplateScope) => JsonValue>> = {
  "event.payload": ({ event }) => event.payload,
  trigger_params: ({ rule }) => rule.triggerParams,
};

export const expressionNames: readonly string[] = [...Object.keys(scalars), ...Object.keys(documents)];

const quoted = /^(?:"(?<double>[^"]*)"|'(?<single>[^']*)')$/;

export function compileExpression(source: string): Decoded<Expression> {
  const text = quoted.exec(source)?.groups;
  if (text !== undefined) {
    const literal = text["double"] ?? text["single"] ?? "";
    return valid(() => literal);
  }

  const path = parseFieldPath(source);
  if (path.kind === "invalid") return path;
  for (const [name, document] of Object.entries(documents)) {
    const rest = pathBehind(name, path.value);
    if (rest !== undefined) return valid((scope) => readPath(document(scope), rest));
  }
  const whole = path.value.join(".");
  const scalar = Object.hasOwn(scalars, whole) ? scalars[whole] : undefined;
  if (scalar !== undefined) return valid(scalar);

  const nearest = nearestName(whole, expressionNames);
  const hint =
    nearest === undefined ? `use one of ${expressionNames.join(", ")}` : `did you mean "${nearest}"?`;
  return invalid(`"${source}" is not known to templates; ${hint}`);
}

function pathBehind(name: string, path: FieldPath): FieldPath | undefined {
  const names = name.split(".");
  return names.every((part, index) => part === path[index]) ? path.slice(names.length) : undefined;
}

/** Ids are numbers in what consumers read, as in messages; one that a number cannot hold stays text. */
function idNumber(id: Id): JsonValue {
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : id;
}
