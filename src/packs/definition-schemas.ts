/**
 * What a pack's files may say: each field with its type, default and meaning, written once. Fields are
 * spelled like the columns they become; docs/packs.md is compared with this in a test.
 */
import { Type, type Static } from "typebox";

const Ref = Type.String({
  description: "Its name, unique in the installation; the pack's own ref in front may be left out",
  pattern: "^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$",
  expects: "letters, digits, - and _, in parts separated by dots",
  maxLength: 255,
});

const Label = Type.Optional(Type.String({ description: "A short name for people; without it the ref" }));
const Description = Type.Optional(Type.String({ description: "A sentence or more for people" }));
const Enabled = Type.Boolean({
  description: "Whether it takes part; an operator's later choice stands until this line changes",
  default: true,
});

const Reference = (description: string) => Type.String({ description, minLength: 1 });

const OptionalMapping = (description: string) =>
  Type.Optional(Type.Object({}, { description, additionalProperties: Type.Unknown() }));

const Mapping = (description: string) =>
  Type.Object({}, { description, default: {}, additionalProperties: Type.Unknown() });

const Seconds = (description: string) =>
  Type.Optional(Type.Number({ description, exclusiveMinimum: 0, maximum: 1_000_000 }));

export const definitionSchemas = {
  pack: Type.Object({
    ref: Type.String({
      description: "The pack's name, which is also its folder's and begins the ref of all that it defines",
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
    meta: Mapping("Anything worth keeping about the pack: author, licence, links"),
  }),
  runtime: Type.Object({
    ref: Ref,
    name: Type.String({ description: "The runtime's name: Python, Ruby", minLength: 1 }),
    description: Description,
    runtime_type: Type.Enum(["sensor", "action"], { description: "What it runs", default: "sensor" }),
    distributions: Mapping("How its presence is verified, and which versions are wanted"),
    installation: OptionalMapping("What to tell somebody who lacks it, as `hint`"),
    execution_config: Mapping("How a script is started, if not with the binary that was verified"),
  }),
  trigger: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    param_schema: Mapping("JSON Schema of the `trigger_params` that rules give"),
    out_schema: Mapping("JSON Schema of its events' payload"),
  }),
  action: Type.Object({ ref: Ref, label: Label, description: Description }),
  sensor: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    entrypoint: Type.String({
      description: "The script, relative to the pack's folder `sensors`; nothing for `builtin`",
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
    config: Mapping("Settings that the sensor is given"),
    param_schema: Mapping("JSON Schema of `config`"),
    poll_interval: Seconds("Seconds between two runs of a poll sensor; without it `sensor.poll_interval`"),
    timeout: Seconds("Seconds one run of a poll sensor may take; without it `sensor.sensor_timeout`"),
    success_exit_codes: Type.Array(Type.Integer({ description: "An exit code", minimum: 0, maximum: 255 }), {
      description: "Exit codes of a poll sensor's run with which its output counts",
      default: [0],
      minItems: 1,
      expects: "a list of at least one exit code, each from 0 to 255",
    }),
    runtime_version_constraint: Type.Optional(
      Type.String({
        description: "Versions of the runtime it works with, as a range: `>=3.9 <3.14`",
        minLength: 1,
        expects: "text in quotes",
      }),
    ),
    placement: Mapping("Where it may run; kept for a later version"),
  }),
  rule: Type.Object({
    ref: Ref,
    label: Label,
    description: Description,
    enabled: Enabled,
    trigger: Reference("The trigger whose events it looks at"),
    conditions: Type.Unknown({
      description: "Which events it matches, see [rules](rules.md); without it all",
      default: null,
    }),
    action: Reference("The action to run for each match"),
    trigger_params: Mapping("What the sensor is to know of this rule"),
    action_params: Mapping("What the action is given; templates are filled in from the event"),
  }),
} as const;

export type FieldsOf = {
  readonly [Name in keyof typeof definitionSchemas]: Static<(typeof definitionSchemas)[Name]>;
};

/** What a pack defines, in the order in which it is loaded: what refers comes after what it refers to. */
export const kinds = ["runtime", "trigger", "action", "sensor", "rule"] as const;

export type Kind = (typeof kinds)[number];

/** The folder of a pack that holds its definitions of this kind. */
export function folderOf(kind: Kind): string {
  return `${kind}s`;
}

/** Whether a file of that name is read, in a folder that is. */
export function isDefinitionFile(name: string): boolean {
  return /\.ya?ml$/.test(name);
}

/** Other names for a field, from older packs and from the columns' own names. */
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
  action: {},
  sensor: {
    entry_point: "entrypoint",
    runner_type: "runtime",
    runtime_ref: "runtime",
    trigger: "triggers",
    trigger_ref: "triggers",
    trigger_type: "triggers",
    trigger_types: "triggers",
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
