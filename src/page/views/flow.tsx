/** Sensor, trigger, rule, action: what leads to what, with the rates of this second. */
import { rateText } from "../format.ts";
import { tick } from "../live.ts";
import { Empty, Heading } from "../parts/basics.tsx";
import { ListCard } from "../parts/list-card.tsx";
import { useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { List, Rule, Sensor } from "../types.ts";

type Column = "sensor" | "trigger" | "rule" | "action";

interface Node {
  readonly column: Column;
  readonly ref: string;
  readonly rate: number;
  readonly mood: "" | "bad" | "off";
  readonly href: string | undefined;
  readonly x: number;
  readonly y: number;
}

interface Edge {
  readonly from: string;
  readonly to: string;
}

const columns: readonly Column[] = ["sensor", "trigger", "rule", "action"];
const width = 1_120;
const nodeWidth = 220;
const nodeHeight = 40;
const rowHeight = 54;
const top = 26;
const gap = (width - nodeWidth * columns.length) / (columns.length - 1);

export function FlowView() {
  const sensors = useResource<List<Sensor>>("sensors?sort=ref&page_size=100", {
    isLive: true,
    everyMs: 15_000,
  });
  const rules = useResource<List<Rule>>("rules?sort=ref&page_size=100", { everyMs: 15_000 });
  const isReady = sensors.value !== undefined && rules.value !== undefined;
  const { nodes, edges, height } = graphOf(sensors.value?.items ?? [], rules.value?.items ?? []);
  const places = new Map(nodes.map((node) => [`${node.column} ${node.ref}`, node]));
  return (
    <>
      <Heading title="Flow" note="What leads to what, with the rates of this second" />
      <ListCard
        title="Sensor → trigger → rule → action"
        items={isReady ? nodes : undefined}
        error={sensors.error ?? rules.error}
        empty={
          <Empty title="Nothing flows yet">
            Load a pack with sensors and rules: attune-sensor-agent packs load DIR
          </Empty>
        }
      >
        <div class="scroll body" tabIndex={0} role="region" aria-label="Flow">
          <svg
            class="flow"
            viewBox={`0 0 ${width} ${height}`}
            role="group"
            aria-label={`${edges.length} connections`}
          >
            {columns.map((column, index) => (
              <text key={column} class="rate" x={xOf(index)} y={12}>
                {`${column}s`}
              </text>
            ))}
            {edges.map(({ from, to }) => {
              const one = places.get(from);
              const other = places.get(to);
              if (one === undefined || other === undefined) return null;
              const isActive = one.rate > 0 && other.rate > 0;
              const [x1, y1, x2, y2] = [
                one.x + nodeWidth,
                one.y + nodeHeight / 2,
                other.x,
                other.y + nodeHeight / 2,
              ];
              return (
                <path
                  key={`${from} ${to}`}
                  class={`edge ${isActive ? "active" : ""}`}
                  d={`M${x1} ${y1}C${x1 + gap / 2} ${y1} ${x2 - gap / 2} ${y2} ${x2} ${y2}`}
                />
              );
            })}
            {nodes.map((node) => (
              <FlowNode key={`${node.column} ${node.ref}`} node={node} />
            ))}
          </svg>
        </div>
      </ListCard>
    </>
  );
}

function FlowNode({ node: { column, ref, rate, mood, href, x, y } }: { node: Node }) {
  const label = `${column} ${ref}: ${rateText(rate)} a second${mood === "bad" ? ", failed" : ""}`;
  const box = (
    <g class={`node ${rate > 0 ? "active" : ""} ${mood}`} transform={`translate(${x} ${y})`}>
      <title>{label}</title>
      <rect width={nodeWidth} height={nodeHeight} rx="8" />
      <text x="12" y="17">
        {ref.length > 30 ? `${ref.slice(0, 29)}…` : ref}
      </text>
      <text class="rate" x="12" y="32">
        {mood === "bad" ? "failed" : mood === "off" ? "disabled" : `${rateText(rate)} a second`}
      </text>
    </g>
  );
  return href === undefined ? box : <a href={href}>{box}</a>;
}

function graphOf(sensors: readonly Sensor[], rules: readonly Rule[]) {
  const now = tick.value;
  const used = new Set(rules.map((rule) => rule.trigger_ref));
  const shown = sensors.filter((sensor) => sensor.trigger_refs.some((ref) => used.has(ref)));
  const triggers = [...used].toSorted();
  const actions = [...new Set(rules.map((rule) => rule.action_ref))].toSorted();
  const ruleRate = (ref: string): number => now?.rules[ref] ?? 0;
  // In the order of the triggers, so that few lines cross.
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
    // Short columns stand in the middle of long ones.
    const start = top + ((longest - rows[column].length) * rowHeight) / 2;
    return rows[column].map((row, place): Node => ({
      ...row,
      column,
      x: xOf(index),
      y: start + place * rowHeight,
    }));
  });
  const edges: Edge[] = [
    ...shown.flatMap(({ ref, trigger_refs: refs }) =>
      refs.filter((each) => used.has(each)).map((each) => ({ from: `sensor ${ref}`, to: `trigger ${each}` })),
    ),
    ...rules.map(({ ref, trigger_ref: trigger }) => ({ from: `trigger ${trigger}`, to: `rule ${ref}` })),
    ...rules.map(({ ref, action_ref: action }) => ({ from: `rule ${ref}`, to: `action ${action}` })),
  ];
  return { nodes, edges, height };
}

function xOf(index: number): number {
  return index * (nodeWidth + gap);
}
