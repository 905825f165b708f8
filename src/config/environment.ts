/**
 * Configuration from environment variables.
 *
 * `ATTUNE__SENSOR__POLL_INTERVAL=5` sets `sensor.poll_interval`. A value is read according to its key's type:
 * strings are taken literally (so a numeric password stays a string), lists may be written `a,b` or as YAML,
 * everything else is YAML, which includes JSON. An empty variable counts as unset, because Compose files
 * pass unset variables on as empty.
 */
import { parseYaml, type Path } from "./yaml-source.ts";
import { childNode, type SchemaNode } from "./schema-node.ts";

export interface Setting {
  readonly path: Path;
  readonly value: unknown;
  /** The environment variable that sets it, if one does. */
  readonly variable?: string;
  /** For people, such as "environment variable DATABASE_URL". */
  readonly origin: string;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export const environmentPrefix = "ATTUNE__";

/** Variables shared with the platform's other programs; ATTUNE__… is more specific and wins. */
const sharedVariables: Readonly<Record<string, Path>> = {
  DATABASE_URL: ["database", "url"],
  DATABASE_URL_FILE: ["database", "url_file"],
  ATTUNE_MQ_URL: ["message_queue", "url"],
  ATTUNE_MQ_URL_FILE: ["message_queue", "url_file"],
  ATTUNE_API_URL: ["api", "url"],
  ATTUNE_API_TOKEN: ["security", "worker_token"],
  ATTUNE_API_TOKEN_FILE: ["security", "worker_token_file"],
  ATTUNE_PACKS_BASE_DIR: ["packs_base_dir"],
};

export const sharedVariableNames: readonly string[] = Object.keys(sharedVariables);

/** The settings from the environment, least specific first, so that later ones replace earlier ones. */
export function environmentSettings(schema: SchemaNode, environment: Environment): readonly Setting[] {
  const shared = Object.entries(sharedVariables).map(([name, path]) => ({ name, path }));
  const own = Object.keys(environment)
    .filter((name) => name.startsWith(environmentPrefix))
    .toSorted() // Puts a section before its keys, so that the keys win.
    .map((name) => ({ name, path: name.slice(environmentPrefix.length).toLowerCase().split("__") }));

  return [...shared, ...own].flatMap(({ name, path }) => {
    const text = environment[name];
    if (text === undefined || text === "") return [];
    return [
      {
        path,
        value: read(path.reduce(childNode, schema), text),
        variable: name,
        origin: `environment variable ${name}`,
      },
    ];
  });
}

/** The variable that sets the key at that path. */
export function variableName(path: Path): string {
  return environmentPrefix + path.join("__").toUpperCase();
}

function read({ type, enum: choices }: SchemaNode, text: string): unknown {
  if (type === "string" || choices !== undefined) return text;
  if (type === "array" && !text.trimStart().startsWith("["))
    return text
      .split(",")
      .map((item) => item.trim())
      .filter((item) => item !== "");
  const result = parseYaml(text);
  return result.kind === "parsed" ? result.source.value : text;
}
