/** Where the view Flow draws each sensor, trigger, rule and action, and what leads to what. */
import { hrefOf } from "../route.ts";
import type { Rule, Sensor, Tick } from "../types.ts";

type Column = "sensor" | "trigger" | "rule" | "action";

export interface Node {
  readonly column: Column;
  readonly ref: string;
  readonly rate: number;
  readonly mood: "" | "bad" | "off";
  readonly href: string | undefined;
  readonly x: number;
  readonly y: number;
}

export interface Edge {
  readonly from: Node;
  readonly to: Node;
}

export interface Graph {
  readonly nodes: readonly Node[];
  readonly edges: readonly Edge[];
  readonly height: number;
}

export const columns: readonly Column[] = ["sensor", "trigger", "rule", "action"];
export const width = 1_120;
export const nodeWidth = 220;
export const nodeHeight = 40;
const rowHeight = 54;
const top = 26;
export const gap = (width - nodeWidth * columns.length) / (columns.length - 1);

export function graphOf(sensors: readonly Sensor[], rules: readonly Rule[], now: Tick | undefined): Graph {
  const used = new Set(rules.map((rule) => rule.trigger_ref));
  const shown = sensors.filter((sensor) => sensor.trigger_refs.some((ref) => used.has(ref)));
  const triggers = [...used].toSorted();
  const actions = [...new Set(rules.map((rule) => rule.action_ref))].toSorted();
  const ruleRate = (ref: string): number => now?.rules[ref] ?? 0;
  // Sorted by trigger, so that few lines cross.
  const byTrigger = (ref: string | undefined): number => triggers.indexOf(ref ?? "");
  const sortedRules = rules.toSorted(
    (one, other) => byTrigger(one.trigger_ref) - byTrigger(other.trigger_ref),
  );
  const sortedSensors = shown.toSorted(
    (one, other) =>
      byTrigger(one.trigger_refs.find((ref) => used.has(ref))) -
      byTrigger(other.trigger_refs.find((ref) => used.has(ref))),
  );
  const rows: Readonly<Record<Column, readonly Omit<Node, "x" | "y" | "column">[]>> = {
    sensor: sortedSensors.map(({ ref, state, enabled }) => ({
      ref,
      rate: now?.sensors[ref] ?? 0,
      mood: !enabled ? "off" : state === "failed" ? "bad" : "",
      href: hrefOf("sensors", ref),
    })),
    trigger: triggers.map((ref) => ({
      ref,
      rate: now?.triggers[ref] ?? 0,
      mood: "",
      href: hrefOf("events", undefined, { trigger: ref }),
    })),
    rule: sortedRules.map(({ ref, enabled }) => ({
      ref,
      rate: ruleRate(ref),
      mood: enabled ? "" : "off",
      href: hrefOf("rules", ref),
    })),
    action: actions.map((ref) => ({
      ref,
      rate: rules
        .filter((rule) => rule.action_ref === ref)
        .reduce((sum, rule) => sum + ruleRate(rule.ref), 0),
      mood: "",
      href: undefined,
    })),
  };
  const longest = Math.max(...columns.map((column) => rows[column].length), 0);
  const height = top + longest * rowHeight + 4;
  const nodes = columns.flatMap((column, index) => {
    // Centres short columns beside long ones.
    const start = top + ((longest - rows[column].length) * rowHeight) / 2;
    return rows[column].map((row, place): Node => ({
      ...row,
      column,
      x: xOf(index),
      y: start + place * rowHeight,
    }));
  });
  const placed = new Map(nodes.map((node) => [`${node.column} ${node.ref}`, node]));
  const edgeOf = (from: string, to: string): readonly Edge[] => {
    const [one, other] = [placed.get(from), placed.get(to)];
    return one === undefined || other === undefined ? [] : [{ from: one, to: other }];
  };
  const edges = [
    ...shown.flatMap(({ ref, trigger_refs: refs }) =>
      refs.flatMap((each) => edgeOf(`sensor ${ref}`, `trigger ${each}`)),
    ),
    ...rules.flatMap(({ ref, trigger_ref: trigger }) => edgeOf(`trigger ${trigger}`, `rule ${ref}`)),
    ...rules.flatMap(({ ref, action_ref: action }) => edgeOf(`rule ${ref}`, `action ${action}`)),
  ];
  return { nodes, edges, height };
}

export function xOf(index: number): number {
  return index * (nodeWidth + gap);
}
