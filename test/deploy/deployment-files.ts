/** The deployment files, decoded as far as the tests need. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Type, type Static, type TSchema } from "typebox";
import { Value } from "typebox/value";
import { parseAllDocuments } from "yaml";
import { repositoryRoot } from "../../scripts/repository.ts";
import { stopLimitMs } from "../../src/service.ts";

export const dockerDirectory = join(repositoryRoot, "docker");

/** What storing, confirming and closing may take once the sensors have stopped; the exit comes on top. */
export const secondsAfterSensors = stopLimitMs / 1_000;

export const composeFiles = ["docker-compose.yaml", "docker-compose.agent.yaml"] as const;

/** Every file below docker/ for users, by its path there. */
export function deploymentFiles(): readonly string[] {
  return readdirSync(dockerDirectory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== ".env")
    .map((entry) => join(entry.parentPath, entry.name).slice(dockerDirectory.length + 1))
    .toSorted();
}

export function readText(file: string): string {
  return readFileSync(join(dockerDirectory, file), "utf8");
}

/** All documents of the file. Throws on any YAML error or warning. */
export function readYaml(file: string): readonly unknown[] {
  // Compose files are YAML 1.1 in this: `<<` merges.
  const documents = parseAllDocuments(readText(file), { merge: true });
  return documents.map((document) => {
    for (const problem of [...document.errors, ...document.warnings]) throw problem;
    return document.toJS();
  });
}

const Texts = Type.Array(Type.String());

const ComposeService = Type.Object({
  image: Type.String(),
  entrypoint: Type.Optional(Texts),
  command: Type.Optional(Texts),
  environment: Type.Optional(Type.Record(Type.String(), Type.String())),
  volumes: Type.Optional(Texts),
  depends_on: Type.Optional(Type.Record(Type.String(), Type.Object({ condition: Type.String() }))),
  healthcheck: Type.Optional(Type.Object({ test: Texts, timeout: Type.String() })),
  stop_grace_period: Type.Optional(Type.String()),
});
export type ComposeService = Static<typeof ComposeService>;

const ComposeFile = Type.Object({ services: Type.Record(Type.String(), ComposeService) });

export function composeServices(file: string): Readonly<Record<string, ComposeService>> {
  return decode(ComposeFile, readYaml(file)[0]).services;
}

/** The services that run sensors: those started from the volume. */
export function sensorServices(file: string): readonly (readonly [string, ComposeService])[] {
  return Object.entries(composeServices(file)).filter(([, { entrypoint }]) =>
    entrypoint?.[0]?.startsWith("/opt/attune/agent/"),
  );
}

/** "1m30s" as Compose writes it. */
export function composeSeconds(duration: string): number {
  const parts = /^(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration);
  if (parts === null) throw new Error(`not a duration: ${duration}`);
  return Number(parts[1] ?? 0) * 60 + Number(parts[2] ?? 0);
}

export function decode<Schema extends TSchema>(schema: Schema, value: unknown): Static<Schema> {
  for (const problem of Value.Errors(schema, value)) throw new Error(JSON.stringify(problem));
  return Value.Parse(schema, value);
}
