/**
 * A runtime's `execution_config`, as far as starting a sensor needs it:
 *
 *     {"environment":  {"interpreter_path": "{env_dir}/bin/python3",
 *                       "create_command": ["{interpreter}", "-m", "venv", "{env_dir}"],
 *                       "copy_files": ["constraints.txt"]},
 *      "dependencies": {"manifest_file": "requirements.txt",
 *                       "bundled_in": "vendor",
 *                       "install_command": ["{interpreter}", "-m", "pip", "install", "-r", "{manifest_path}"]},
 *      "env_vars":     {"NAME": "value",
 *                       "PYTHONPATH": {"operation": "prepend", "value": "{pack_dir}/lib", "separator": ":"}}}
 *
 * The words in braces are replaced. Rows are written by hand, so malformed parts are skipped and reported.
 */
import { isJsonObject, type JsonObject, type JsonValue } from "../../model/json/json.ts";

export interface ExecutionConfig {
  readonly interpreterPath: string | null;
  readonly createCommand: readonly string[] | null;
  /** Files of the pack's folder, copied into the environment if they exist. */
  readonly copyFiles: readonly string[];
  readonly manifestFile: string | null;
  /** A folder of the pack; if it exists, the pack includes its dependencies. */
  readonly bundledIn: string | null;
  readonly installCommand: readonly string[] | null;
  readonly variables: ReadonlyMap<string, VariableChange>;
  /** One clause per malformed part. */
  readonly problems: readonly string[];
}

export interface VariableChange {
  readonly operation: "set" | "prepend" | "append";
  readonly value: string;
  readonly separator: string;
}

/** The variable's name and its change. */
export type NamedChange = readonly [name: string, change: VariableChange];

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

export function decodeExecutionConfig(config: JsonObject): ExecutionConfig {
  const problems: string[] = [];
  const section = (name: string): JsonObject => {
    const value = config[name] ?? {};
    if (isJsonObject(value)) return value;
    problems.push(`execution_config.${name} is not an object`);
    return {};
  };
  const text = (path: string, value: JsonValue | undefined): string | null => {
    if (value === undefined || value === null) return null;
    if (typeof value === "string" && value !== "") return value;
    problems.push(`execution_config.${path} is not text`);
    return null;
  };
  const words = (path: string, value: JsonValue | undefined): readonly string[] | null => {
    if (value === undefined || value === null) return null;
    const isCommand = Array.isArray(value) && value.every((word) => typeof word === "string");
    if (isCommand && value.length > 0) return value;
    problems.push(`execution_config.${path} is not a list of words`);
    return null;
  };

  const environment = section("environment");
  const dependencies = section("dependencies");
  const variables = new Map<string, VariableChange>();
  for (const [name, value] of Object.entries(section("env_vars"))) {
    const change = variableChangeOf(value);
    if (change !== undefined && variableName.test(name)) variables.set(name, change);
    else
      problems.push(
        `execution_config.env_vars.${name} is not {"operation": set|prepend|append, "value": text}`,
      );
  }
  return {
    interpreterPath: text("environment.interpreter_path", environment["interpreter_path"]),
    createCommand: words("environment.create_command", environment["create_command"]),
    copyFiles: words("environment.copy_files", environment["copy_files"]) ?? [],
    manifestFile: text("dependencies.manifest_file", dependencies["manifest_file"]),
    bundledIn: text("dependencies.bundled_in", dependencies["bundled_in"]),
    installCommand: words("dependencies.install_command", dependencies["install_command"]),
    variables,
    problems,
  };
}

/** Replaces `{env_dir}`, `{pack_dir}`, `{interpreter}` and `{manifest_path}`; other words in braces are kept. */
export function fillIn(template: string, words: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (whole, word: string) => words[word] ?? whole);
}

function variableChangeOf(value: JsonValue): VariableChange | undefined {
  if (typeof value === "string") return { operation: "set", value, separator: ":" };
  if (!isJsonObject(value)) return undefined;
  const { operation = "set", value: text, separator = ":" } = value;
  if (operation !== "set" && operation !== "prepend" && operation !== "append") return undefined;
  if (typeof text !== "string" || typeof separator !== "string") return undefined;
  return { operation, value: text, separator };
}
