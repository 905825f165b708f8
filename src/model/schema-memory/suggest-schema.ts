/** An out_schema that describes the payloads seen, to start from. */
import { objectOf, type JsonObject, type JsonType } from "../json/json.ts";
import { stepsOf } from "./memory-path.ts";
import { typesIn, type FieldMemory, type PayloadMemory } from "./payload-memory.ts";

interface Node {
  readonly field: FieldMemory | undefined;
  readonly members: Map<string, Node>;
  elements: Node | undefined;
  any: Node | undefined;
}

/** Payloads before a field that all of them have is called required. */
const requiredMin = 20;

export function suggestSchema(memory: PayloadMemory): JsonObject {
  const root = newNode(undefined);
  // A path is longer than that of what contains it.
  for (const [path, field] of [...memory.fields].toSorted(([one], [other]) => one.length - other.length)) {
    place(root, path, field);
  }
  return objectSchema(root, memory.samples, memory.isCut);
}

function newNode(field: FieldMemory | undefined): Node {
  return { field, members: new Map(), elements: undefined, any: undefined };
}

function place(root: Node, path: string, field: FieldMemory): void {
  const steps = stepsOf(path);
  let node = root;
  for (const [index, step] of steps.entries()) {
    const made = newNode(index === steps.length - 1 ? field : undefined);
    if (step === "elements") node = node.elements ??= made;
    else if (step === "any") node = node.any ??= made;
    else {
      const known = node.members.get(step.name);
      if (known === undefined) node.members.set(step.name, made);
      node = known ?? made;
    }
  }
}

/** @param payloads that have the object; undefined: it is inside an array, where fields are not counted one by one */
function objectSchema(node: Node, payloads: number | undefined, isCut: boolean): JsonObject {
  const members = [...node.members].toSorted(([one], [other]) => (one < other ? -1 : 1));
  const required = members.flatMap(([name, { field }]) =>
    payloads !== undefined && payloads >= requiredMin && field !== undefined && field.present >= payloads
      ? [name]
      : [],
  );
  const { any } = node;
  return {
    type: "object",
    properties: Object.fromEntries(
      members.map(([name, member]) => [name, fieldSchema(member, payloads !== undefined, isCut)]),
    ),
    ...(required.length > 0 ? { required } : {}),
    ...(any === undefined
      ? isCut || members.length === 0
        ? { additionalProperties: true }
        : {}
      : { additionalProperties: fieldSchema(any, false, isCut) }),
  };
}

function fieldSchema(node: Node, isCounted: boolean, isCut: boolean): JsonObject {
  const { field, elements } = node;
  if (field === undefined) return {};
  const types = typesIn(field);
  const names = types.map((type) => typeName(type, field));
  const { object } = field.types;
  const inside = object === undefined ? {} : objectSchema(node, isCounted ? object.count : undefined, isCut);
  return {
    ...objectOf(inside),
    ...(types.includes("array") && elements !== undefined
      ? { items: fieldSchema(elements, false, isCut) }
      : {}),
    type: names.length === 1 ? (names[0] ?? "null") : names,
  };
}

function typeName(type: JsonType, { isInteger }: FieldMemory): string {
  return type === "number" && isInteger ? "integer" : type;
}
