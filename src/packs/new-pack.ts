/**
 * The files of a new pack: a sensor that works, a rule, and a test of the rule, as a beginning to change. Each file names its
 * JSON Schema, so that editors complete and check it.
 */
import { editorSchemaNames, editorSchemaText } from "./editor-schemas.ts";

/** The languages that a new pack's sensor can be written in. */
export const newPackLanguages = ["python", "node", "shell"] as const;

export type NewPackLanguage = (typeof newPackLanguages)[number];

export interface NewFile {
  /** Relative to the pack's folder. */
  readonly path: string;
  readonly text: string;
}

/** The schemas, to put into a pack's folder, where its files name them. */
export function schemaFiles(): readonly NewFile[] {
  return editorSchemaNames.map((name) => ({ path: `schemas/${name}.json`, text: editorSchemaText(name) }));
}

/** @param ref the pack's, which is also the name of its folder */
export function newPack(ref: string, language: NewPackLanguage): readonly NewFile[] {
  const { script, text } = sensors[language];
  return [
    yaml("pack", "pack.yaml", `ref: ${ref}\nlabel: ${ref}\nversion: "0.1.0"`),
    yaml(
      "trigger",
      "triggers/reading.yaml",
      `ref: reading
label: A value was measured
out_schema:
  type: object
  properties:
    celsius: { type: number }
  required: [celsius]`,
    ),
    yaml(
      "sensor",
      "sensors/thermometer.yaml",
      `ref: thermometer
label: Thermometer
runtime: ${language}
entrypoint: ${script}
protocol: stream
triggers: [reading]
config:
  seconds: 5`,
    ),
    { path: `sensors/${script}`, text },
    yaml("action", "actions/note.yaml", "ref: note\nlabel: Take a note"),
    yaml(
      "rule",
      "rules/hot.yaml",
      `ref: hot
label: It is hot
trigger: reading
conditions: { field: celsius, operator: greater_than, value: 30 }
action: note
action_params:
  text: "{{ event.payload.celsius }} degrees"`,
    ),
    yaml(
      "test",
      "tests/rules.yaml",
      `- name: a hot day
  trigger: reading
  payload: { celsius: 31.5 }
  matches:
    hot: { text: 31.5 degrees }

- name: a mild day matches nothing
  trigger: reading
  payload: { celsius: 20 }
  matches: []`,
    ),
    ...schemaFiles(),
  ];
}

function yaml(schema: (typeof editorSchemaNames)[number], path: string, content: string): NewFile {
  const up = path.includes("/") ? "../" : "";
  return { path, text: `# yaml-language-server: $schema=${up}schemas/${schema}.json\n${content}\n` };
}

const sensors: Readonly<Record<NewPackLanguage, { readonly script: string; readonly text: string }>> = {
  python: {
    script: "thermometer.py",
    text: `"""Prints a reading every few seconds: each line on stdout is one event. What goes to stderr is the log."""
import json
import os
import random
import time

config = json.loads(os.environ["ATTUNE_SENSOR_CONFIG_JSON"])

while True:
    print(json.dumps({"celsius": round(random.uniform(10, 35), 1)}), flush=True)
    time.sleep(config["seconds"])
`,
  },
  node: {
    script: "thermometer.mjs",
    text: `// Prints a reading every few seconds: each line on stdout is one event. What goes to stderr is the log.
const { seconds } = JSON.parse(process.env.ATTUNE_SENSOR_CONFIG_JSON);

function read() {
  console.log(JSON.stringify({ celsius: Math.round(100 + Math.random() * 250) / 10 }));
}

read();
setInterval(read, seconds * 1000);
`,
  },
  shell: {
    script: "thermometer.sh",
    text: `#!/bin/sh
# Prints a reading every few seconds: each line on stdout is one event. What goes to stderr is the log.
while :; do
  tenths=$(( $(od -An -N2 -tu2 /dev/urandom) % 250 + 100 ))
  printf '{"celsius": %d.%d}\\n' $((tenths / 10)) $((tenths % 10))
  sleep "$ATTUNE_SENSOR_CONFIG_SECONDS"
done
`,
  },
};
