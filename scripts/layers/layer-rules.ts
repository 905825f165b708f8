/**
 * The layers of docs/architecture.md as data. A folder or library that is missing here is a violation, so that
 * every new one must be assigned.
 */

export interface Layer {
  readonly name: string;
  /** Folders of src, and modules directly in src. */
  readonly parts: readonly string[];
  /** Layers whose parts it may import. */
  readonly mayImport: readonly string[];
  /** Other modules it may import. */
  readonly mayAlsoImport: readonly string[];
  /** Whether its parts may import each other. */
  readonly isOpenWithin: boolean;
}

const everythingBelow = ["features", "adapters", "model", "foundation"];

export const layers: readonly Layer[] = [
  {
    name: "entry",
    parts: ["main.ts", "agent"],
    mayImport: ["composition", "findings", ...everythingBelow],
    mayAlsoImport: [],
    isOpenWithin: true,
  },
  {
    name: "composition",
    parts: ["service.ts", "service"],
    mayImport: ["findings", ...everythingBelow],
    mayAlsoImport: [],
    isOpenWithin: true,
  },
  {
    name: "findings",
    parts: ["diagnosis"],
    mayImport: everythingBelow,
    mayAlsoImport: [],
    isOpenWithin: false,
  },
  {
    name: "features",
    parts: [
      "runtimes",
      "registration",
      "retention",
      "schema-memory",
      "verification",
      "scheduling",
      "sensors",
      "events",
      "rules",
      "packs",
      "operations",
      "keys",
      "live",
      "webhooks",
      "api",
      "identity",
    ],
    mayImport: ["adapters", "model", "foundation"],
    mayAlsoImport: [],
    isOpenWithin: false,
  },
  {
    name: "adapters",
    parts: ["config", "database", "messaging", "processes", "platform", "telemetry", "tokens"],
    mayImport: ["model", "foundation"],
    mayAlsoImport: ["telemetry/logger.ts", "telemetry/outage-log.ts", "telemetry/part-health.ts"],
    isOpenWithin: false,
  },
  {
    name: "model",
    parts: ["model"],
    mayImport: [],
    mayAlsoImport: ["errors"],
    isOpenWithin: false,
  },
  {
    // Runs in browsers, so it shares no module with the agent.
    name: "page",
    parts: ["page"],
    mayImport: [],
    mayAlsoImport: [],
    isOpenWithin: false,
  },
  {
    name: "foundation",
    parts: ["time", "concurrency", "errors", "files"],
    mayImport: [],
    mayAlsoImport: [],
    isOpenWithin: true,
  },
];

/** The parts of src that may import a library. */
export const libraryOwners: Readonly<Record<string, readonly string[]>> = {
  "@electric-sql/pglite": ["database"],
  "@preact/signals": ["page"],
  amqplib: ["messaging"],
  commander: ["agent"],
  croner: ["model"],
  "cross-spawn": ["processes"],
  "fastest-levenshtein": ["config", "model", "packs"],
  fastify: ["api"],
  jose: ["tokens"],
  "node:child_process": ["processes"],
  "node:ffi": ["files", "processes"],
  "p-map": ["runtimes"],
  pg: ["database"],
  pino: ["telemetry"],
  "pino-pretty": ["telemetry"],
  preact: ["page"],
  "prom-client": ["telemetry"],
  re2js: ["model"],
  "rrule-temporal": ["model"],
  semver: ["model"],
  typebox: ["config", "model", "packs", "api"],
  ws: ["api"],
  yaml: ["agent", "config", "packs"],
};

/** Node modules that the model may use: none with input, waiting or randomness. */
export const builtinsOfModel: readonly string[] = [
  "node:assert/strict",
  "node:buffer",
  "node:path",
  "node:url",
  "node:util",
];
