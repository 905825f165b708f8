/**
 * Loads the configuration. The environment overrides the file, and flags override both; the result is
 * completed with the schema's defaults, validated as a whole, and frozen.
 *
 * The environment, the folder and the file are passed in by main. All problems are reported together, each
 * with its key and the source of the value.
 */
import { resolve } from "node:path";
import type { Static } from "typebox";
import { Value } from "typebox/value";
import { OperatorError } from "../errors/operator-error.ts";
import { urlPasswords } from "../model/texts/redaction.ts";
import { readConfigFile, type ConfigFile, type ConfigInput } from "./config-file.ts";
import { contradictions } from "./consistency.ts";
import { environmentSettings, variableName, type Setting } from "./environment.ts";
import { deepFreeze, withoutNulls, withoutValueAt, withValueAt } from "./nested-values.ts";
import { withPlainNumbers } from "./plain-numbers.ts";
import { configSchema, type Config } from "./schema.ts";
import { nearestVariable, nearMisses, settablePaths } from "./near-misses.ts";
import { keyText, schemaProblems, unknownKeys, type Problem, type UnknownKey } from "./schema-problems.ts";
import { pemProblems, secretFiles, withSettings } from "./secret-files.ts";
import type { Path } from "./yaml-source.ts";

export interface LoadedConfig {
  readonly config: Config;
  /** The file that was read, if any. */
  readonly file: string | undefined;
  /** Whether there is no file, no variable and no flag. */
  readonly isDefault: boolean;
  /** One sentence for each unknown key. */
  readonly warnings: readonly string[];
  /** Values that must not appear in any log line. */
  readonly secrets: readonly string[];
}

/**
 * @throws OperatorError CONFIG_UNREADABLE if a named file is missing or the file is not YAML
 * @throws OperatorError CONFIG_INVALID with all problems
 */
export function loadConfig(input: ConfigInput): LoadedConfig {
  const file = readConfigFile(input);
  const given = [...environmentSettings(configSchema, input.env), ...flagSettings(input.flags)];
  const set = withSettings(withoutNulls(file?.source.value ?? {}), given);
  const secrets = secretFiles(set, file, given, input);
  const settings = [...given, ...secrets.settings];
  const raw = withPlainNumbers(
    configSchema,
    secrets.settings.reduce((value, each) => withValueAt(value, each.path, each.value), set),
  );
  const tell = narrator(file, settings);

  const unknown = unknownKeys(configSchema, raw).map((key) => withVariable(key, settings));
  const missed = nearMisses(configSchema, input.env);
  const known = unknown.reduce((value, { path }) => withoutValueAt(value, path), raw);
  const malformed = [
    ...secrets.problems,
    ...pemProblems(set, input),
    ...schemaProblems(configSchema, Value.Default(configSchema, known)),
  ];
  // Replace malformed values by defaults, so that contradictions can be reported together with them.
  const usable = malformed.reduce((value, { path }) => withoutValueAt(value, mappingKeys(path)), known);
  const completed: unknown = Value.Default(configSchema, usable);
  const config = Value.Check(configSchema, completed) ? inPlace(completed, input) : undefined;
  const contradictory = config === undefined ? [] : contradictionsApartFrom(malformed, config);
  if (config === undefined || malformed.length + contradictory.length > 0) {
    // Include unknown keys, which alone would only be warnings, so that the file can be corrected in one go.
    throw invalid([...[...malformed, ...contradictory, ...unknown].map(tell), ...missed]);
  }

  return {
    config: deepFreeze(config),
    file: file?.path,
    isDefault: file === undefined && given.length === 0,
    warnings: [...unknown.map(tell), ...missed],
    secrets: secretsOf(config),
  };
}

/** For an unknown key set by a variable, suggests another variable. */
function withVariable(key: UnknownKey, settings: readonly Setting[]): UnknownKey {
  const setting = settings.findLast((one) => isWithin(one.path, key.path));
  if (setting?.variable === undefined) return key;
  const meant = nearestVariable(setting.variable, settablePaths(configSchema).map(variableName));
  return meant === undefined ? key : { ...key, reason: `is not a known key; did you mean ${meant}?` };
}

/** Leaves out contradictions with defaults that replace malformed values. */
function contradictionsApartFrom(malformed: readonly Problem[], config: Config): readonly Problem[] {
  const isMalformed = (path: Path): boolean => malformed.some((problem) => isWithin(path, problem.path));
  return contradictions(config).filter(({ path, others }) => ![path, ...others].some(isMalformed));
}

/** The path up to the first list, because a list with one malformed item is malformed. */
function mappingKeys(path: Path): Path {
  const index = path.findIndex((part) => typeof part === "number");
  return index === -1 ? path : path.slice(0, index);
}

function flagSettings({ name }: ConfigInput["flags"]): readonly Setting[] {
  if (name === undefined) return [];
  return [{ path: ["sensor", "worker_name"], value: name, origin: "flag --name" }];
}

/** Describes a problem in a sentence: the key, the source of its value, and what is wrong with it. */
function narrator(file: ConfigFile | undefined, settings: readonly Setting[]): (problem: Problem) => string {
  return ({ path, reason }) => {
    const key = keyText(path);
    const setting = settings.findLast((one) => isWithin(path, one.path) || isWithin(one.path, path));
    if (setting !== undefined) return `${key} (${setting.origin}) ${reason}`;
    if (file?.source.has(path) === true)
      return `${key} (${file.path} line ${file.source.lineOf(path)}) ${reason}`;
    return `${key} (${variableName(path)}) ${reason}`;
  };
}

function isWithin(path: Path, outer: Path): boolean {
  return outer.every((part, index) => part === path[index]);
}

function invalid(problems: readonly string[]): OperatorError {
  return new OperatorError({
    code: "CONFIG_INVALID",
    attempt: "use the configuration",
    reason: problems,
    remedy: "correct it, see docs/configuration.md",
  });
}

/** Resolves the configuration for this machine: fills in the host name and makes folders absolute. */
function inPlace(config: Static<typeof configSchema>, { cwd, hostname }: ConfigInput): Config {
  const named = (text: string): string => text.replaceAll("{hostname}", hostname);
  return {
    ...config,
    agent: withAbsolutePath(cwd, config.agent),
    packs_base_dir: resolve(cwd, config.packs_base_dir),
    runtime_envs_dir: resolve(cwd, config.runtime_envs_dir),
    artifacts_dir: resolve(cwd, config.artifacts_dir),
    data_dir: resolve(cwd, config.data_dir),
    logs_dir: resolve(cwd, config.logs_dir),
    retention: withAbsoluteArchive(config.retention, cwd),
    api: { ...config.api, tls: withAbsolutePaths(cwd, config.api.tls) },
    database: withAbsoluteFiles(cwd, config.database),
    message_queue: withAbsoluteFiles(cwd, config.message_queue),
    sensor: {
      ...config.sensor,
      worker_name: named(config.sensor.worker_name),
      host: named(config.sensor.host),
    },
  };
}

type ServerSection = Pick<Static<typeof configSchema>["database"], "url_file" | "tls">;

function withAbsoluteFiles<T extends ServerSection>(cwd: string, section: T): T {
  const { url_file, tls } = section;
  return {
    ...section,
    ...(url_file === undefined ? {} : { url_file: resolve(cwd, url_file) }),
    tls: withAbsolutePaths(cwd, tls),
  };
}

/** @param tls section whose `ca`, `cert` and `key` are paths */
function withAbsolutePaths<T extends object>(cwd: string, tls: T): T {
  const paths = Object.entries(tls).flatMap(([key, value]: [string, unknown]) =>
    typeof value === "string" && ["ca", "cert", "key"].includes(key) ? [[key, resolve(cwd, value)]] : [],
  );
  return { ...tls, ...Object.fromEntries(paths) };
}

function withAbsolutePath(cwd: string, agent: Config["agent"]): Config["agent"] {
  const { binary_dir: directory } = agent;
  return directory === undefined ? agent : { ...agent, binary_dir: resolve(cwd, directory) };
}

function secretsOf({ database, message_queue: queue, security, agent }: Config): readonly string[] {
  const urls = [database.url, queue.url].filter((url) => url !== undefined);
  const { jwt_secret, jwt_secret_previous, worker_token, encryption_key, encryption_key_previous } = security;
  const secrets = [
    jwt_secret,
    jwt_secret_previous,
    worker_token,
    encryption_key,
    encryption_key_previous,
    agent.binary_token,
  ];
  const values = secrets.filter((value) => value !== undefined);
  return [...values, ...urls.flatMap(urlPasswords)];
}

function withAbsoluteArchive(retention: Config["retention"], cwd: string): Config["retention"] {
  const { archive_dir: directory } = retention;
  return directory === undefined ? retention : { ...retention, archive_dir: resolve(cwd, directory) };
}
