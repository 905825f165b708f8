/** Sensor, trigger, rule, action: what leads to what, with the rates of this second. */
import { rateText } from "../format.ts";
import { tick } from "../live.ts";
import { Empty, Heading } from "../parts/basics.tsx";
import { ListCard } from "../parts/list-card.tsx";
import { useList } from "../list.ts";
import {
  columns,
  gap,
  graphOf,
  nodeHeight,
  nodeWidth,
  width,
  xOf,
  type Edge,
  type Node,
} from "./flow-graph.ts";
import type { Rule, Sensor } from "../types.ts";

export function FlowView() {
  const sensors = useList<Sensor>("sensors?sort=ref&page_size=100", {
    isLive: true,
    everyMs: 15_000,
    isWhole: true,
  });
  const rules = useList<Rule>("rules?sort=ref&page_size=100", { everyMs: 15_000 });
  const isReady = sensors.items !== undefined && rules.items !== undefined;
  const { nodes, edges, height } = graphOf(sensors.items ?? [], rules.items ?? [], tick.value);
  return (
    <>
      <Heading title="Flow" note="What leads to what, with the rates of this second" />
      <ListCard
        title="Sensor → trigger → rule → action"
        items={isReady ? nodes : undefined}
        error={sensors.error ?? rules.error}
        pages={rules}
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
            {edges.map((edge) => (
              <FlowEdge key={`${edge.from.ref} ${edge.to.column} ${edge.to.ref}`} edge={edge} />
            ))}
            {nodes.map((node) => (
              <FlowNode key={`${node.column} ${node.ref}`} node={node} />
            ))}
          </svg>
        </div>
      </ListCard>
    </>
  );
}

function FlowEdge({ edge: { from, to } }: { edge: Edge }) {
  const isActive = from.rate > 0 && to.rate > 0;
  const [x1, y1] = [from.x + nodeWidth, from.y + nodeHeight / 2];
  const [x2, y2] = [to.x, to.y + nodeHeight / 2];
  return (
    <path
      class={`edge ${isActive ? "active" : ""}`}
      d={`M${x1} ${y1}C${x1 + gap / 2} ${y1} ${x2 - gap / 2} ${y2} ${x2} ${y2}`}
    />
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
