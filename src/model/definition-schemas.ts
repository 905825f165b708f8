/**
 * The schemas of a pack's files: the only definition of each field's type, default and meaning. Fields are
 * spelled like the columns they become. A test compares docs/packs.md with this file.
 */
import { Type, type Static } from "typebox";

const Ref = Type.String({
  description: "Its name, unique in the installation; the pack's own ref in front is optional",
  pattern: "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$",
  expects: "letters, digits, - and _, in parts separated by dots",
  maxLength: 255,
});

const Label = Type.Optional(Type.String({ description: "A short name for people; by default the ref" }));
const Description = Type.Optional(Type.String({ description: "A description for people" }));
const Enabled = Type.Boolean({
  description: "Whether it is active; an operator's later change lasts until this line changes",
  default: true,
});

const Reference = (description: string) => Type.String({ description, minLength: 1 });

const OptionalMapping = (description: string) =>
  Type.Optional(Type.Object({}, { description, additionalProperties: Type.Unknown() }));

const Mapping = (description: string) =>
  Type.Object({}, { description, default: {}, additionalProperties: Type.Unknown() });

const Names = (description: string) =>
  Type.Array(Type.String({ description: "A name", minLength: 1 }), {
    description,
    default: [],
    expects: "a list of names",
  });

const Seconds = (description: string) =>
  Type.Optional(Type.Number({ description, exclusiveMinimum: 0, maximum: 1_000_000 }));

export const definitionSchemas = {
  pack: Type.Object({
    ref: Type.String({
      description: "The pack's name, which is also its folder's name and the prefix of all its refs",
      pattern: "^[A-Za-z0-9_-]+$",
      expects: "letters, digits, - and _",
      maxLength: 100,
    }),
    label: Label,
    description: Description,
    version: Type.String({
      description: "The pack's version, in quotes",
      default: "0.0.0",
      expects: "text in quotes",
    }),
    config: Mapping("Settings of the pack"),
    meta: Mapping("Other information about the pack: author, licence, links"),
    conf_schema: Mapping("JSON Schema of `config`"),
    tags: Names("Words to find it by"),
    runtime_deps: Names("Runtimes it needs; not checked"),
    dependencies: Names("Packs it needs; not checked"),
    is_standard: Type.Boolean({ description: "Whether it belongs to the platform itself", default: false }),
  }),
  runtime: Type.Object({
    ref: Ref,
    name: Type.String({ description: "The runtime's name, such as Python or Ruby", minLength: 1 }),
    description: Description,
    runtime_type: Type.Enum(["sensor", "action"], { description: "What it runs", default: "sensor" }),
    distributions: Mapping("How to verify it, and which versions are required"),
    installation: OptionalMapping("How to install it, as `hint`"),
    execution_config: Mapping("How to start a script, if not with the verified binary"),
  }),
  trigger: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    param_schema: Mapping("JSON Schema of the rules' `trigger_params`"),
    out_schema: Mapping("JSON Schema of its events' payloads"),
    cloudevents: OptionalMapping(
      "Which [CloudEvents](cloudevents.md) become its events, by `type` and perhaps `source`",
    ),
  }),
  action: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    entrypoint: Type.String({
      description: "Its program, for the service that runs actions; stored as it is",
      default: "",
    }),
    runtime: Type.Optional(
      Type.String({
        description: "What runs it, for the service that runs actions; not checked",
        minLength: 1,
      }),
    ),
    param_schema: Mapping("JSON Schema of the rules' `action_params`"),
    out_schema: Mapping("JSON Schema of its result"),
  }),
  sensor: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    entrypoint: Type.String({
      description: "The script, relative to the pack's folder `sensors`; empty for `builtin`",
      default: "",
    }),
    runtime: Reference("What runs it: python, node, shell, native, builtin, or the ref of a runtime"),
    protocol: Type.Enum(["poll", "stream", "standalone"], {
      description: "How it reports events, see [writing sensors](writing-sensors.md)",
      default: "standalone",
    }),
    triggers: Type.Array(Reference("A trigger"), {
      description: "The triggers whose events it reports, the main one first",
      minItems: 1,
      expects: "a list of at least one trigger",
    }),
    config: Mapping("Settings passed to the sensor"),
    param_schema: Mapping("JSON Schema of `config`"),
    poll_interval: Seconds("Seconds between two runs of a poll sensor; by default `sensor.poll_interval`"),
    timeout: Seconds("Time limit in seconds for a run of a poll sensor; by default `sensor.sensor_timeout`"),
    success_exit_codes: Type.Array(Type.Integer({ description: "An exit code", minimum: 0, maximum: 255 }), {
      description: "Exit codes that count as success for a poll sensor's run",
      default: [0],
      minItems: 1,
      expects: "a list of at least one exit code, each from 0 to 255",
    }),
    runtime_version_constraint: Type.Optional(
      Type.String({
        description: "Range of runtime versions that it works with: `>=3.9 <3.14`",
        minLength: 1,
        expects: "text in quotes",
      }),
    ),
    placement: Mapping("Workers it may run on: `worker` is a name, `labels` what they must have"),
  }),
  rule: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    trigger: Reference("The trigger whose events it matches"),
    conditions: Type.Unknown({
      description: "Which events it matches, see [rules](rules.md); by default all",
      default: null,
    }),
    action: Reference("The action to run for each match"),
    trigger_params: Mapping("Parameters of this rule for the sensor"),
    action_params: Mapping("Parameters for the action; templates are filled in from the event"),
  }),
} as const;

export type FieldsOf = {
  readonly [Name in keyof typeof definitionSchemas]: Static<(typeof definitionSchemas)[Name]>;
};

/** What a pack defines, in loading order: definitions come after those they refer to. */
export const kinds = ["runtime", "trigger", "action", "sensor", "rule"] as const;

export type Kind = (typeof kinds)[number];

/** The folder in a pack for definitions of this kind. */
export function folderOf(kind: Kind): string {
  return `${kind}s`;
}

/** Whether a file with this name contains a definition. */
export function isDefinitionFile(name: string): boolean {
  return /\.ya?ml$/.test(name);
}

/** Alternative field names, from older packs and from column names. */
export const fieldAliases: Readonly<
  Record<keyof typeof definitionSchemas, Readonly<Record<string, string>>>
> = {
  pack: {},
  runtime: {},
  trigger: {
    parameters: "param_schema",
    parameter_schema: "param_schema",
    output: "out_schema",
    output_schema: "out_schema",
    payload_schema: "out_schema",
  },
  action: {
    entry_point: "entrypoint",
    runner_type: "runtime",
    runtime_ref: "runtime",
    parameters: "param_schema",
    output: "out_schema",
  },
  sensor: {
    entry_point: "entrypoint",
    runner_type: "runtime",
    runtime_ref: "runtime",
    trigger: "triggers",
    trigger_ref: "triggers",
    trigger_type: "triggers",
    trigger_types: "triggers",
    trigger_refs: "triggers",
    parameters: "param_schema",
    runtime_version: "runtime_version_constraint",
  },
  rule: {
    trigger_ref: "trigger",
    trigger_type: "trigger",
    action_ref: "action",
    criteria: "conditions",
    parameters: "action_params",
  },
};
