/**
 * The keywords of JSON Schema that this project uses, and descriptions of what a value must be.
 */
export interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  /** A number is taken as the text it is written with. */
  readonly takesNumbers?: boolean;
  /** What a value must be, if the keywords do not describe it well enough. */
  readonly expects?: string;
  /** The value is a secret that must not appear in messages. */
  readonly writeOnly?: boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly exclusiveMinimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode;
  readonly items?: SchemaNode;
  /** typebox's marker, the only property of a schema without keywords. */
  readonly "~kind"?: string;
}

const anything: SchemaNode = {};

/** The schema of the value at the key. */
export function childNode(node: SchemaNode, key: string | number): SchemaNode {
  if (typeof key === "number") return node.items ?? anything;
  const known = Object.hasOwn(node.properties ?? {}, key) ? node.properties?.[key] : undefined;
  return known ?? Object.values(node.patternProperties ?? {})[0] ?? node.additionalProperties ?? anything;
}

/** Whether the schema accepts keys that it does not name. */
export function isOpen(node: SchemaNode): boolean {
  return (
    node.patternProperties !== undefined ||
    node.additionalProperties !== undefined ||
    node.properties === undefined
  );
}

/** What a value must be, such as "a whole number from 0 to 65535". */
export function expectation(node: SchemaNode): string {
  if (node.expects !== undefined) return node.expects;
  if (node.enum !== undefined) return `one of ${node.enum.join(", ")}`;
  switch (node.type) {
    case "integer":
      return `a whole number${range(node)}`;
    case "number":
      return `a number${range(node)}`;
    case "boolean":
      return "true or false";
    case "array":
      return "a list";
    case "object":
      return "a mapping";
    case "string":
      return "text";
    default:
      return "a value";
  }
}

function range({ minimum, exclusiveMinimum, maximum }: SchemaNode): string {
  const low =
    minimum === undefined
      ? exclusiveMinimum === undefined
        ? ""
        : ` above ${exclusiveMinimum}`
      : ` from ${minimum}`;
  return maximum === undefined ? low : `${low} to ${maximum}`;
}
