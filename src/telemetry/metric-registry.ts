/**
 * The registry of a service's metrics: prom-client with the project's prefix, and a list of all metrics for
 * the documentation.
 *
 * A registry belongs to a service, not to the process, so that tests can have several.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { LabelPlaces } from "./label-places.ts";

export interface MetricDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/** A gauge's value at a scrape; undefined means that it has no series then. */
export type GaugeReading = number | ReadonlyMap<string, number> | undefined;

export interface MetricRegistry {
  readonly counter: (name: string, help: string) => (count: number) => void;
  /** Counts one unless told otherwise. To bound memory, only some values get a series of their own; see label-places.ts. */
  readonly counterBy: (name: string, label: string, help: string) => (value: string, count?: number) => void;
  readonly histogram: (name: string, help: string, buckets: readonly number[]) => (value: number) => void;
  /** @param label the label for the keys of a map reading */
  readonly gauge: (
    name: string,
    help: string,
    read: () => GaugeReading | Promise<GaugeReading>,
    label?: string,
  ) => void;
  /** This process's memory, CPU, garbage collection and event loop. */
  readonly addProcessMetrics: () => void;
  readonly descriptions: readonly MetricDescription[];
  readonly contentType: string;
  readonly text: () => Promise<string>;
}

const prefix = "attune_sensor_agent_";

export function createMetricRegistry(): MetricRegistry {
  const registry = new Registry();
  const registers = [registry];
  const descriptions: MetricDescription[] = [];

  const named = (type: MetricDescription["type"], name: string, help: string, labels: string[] = []) => {
    descriptions.push({ name: prefix + name, type, labels, help });
    return { name: prefix + name, help, labelNames: labels, registers };
  };

  return {
    counter(name, help) {
      const counter = new Counter(named("counter", name, help));
      return (count) => counter.inc(count);
    },

    counterBy(name, label, help) {
      const counter = new Counter(named("counter", name, help, [label]));
      const places = new LabelPlaces();
      return (value, count = 1) => counter.inc({ [label]: places.labelFor(value, count) }, count);
    },

    histogram(name, help, buckets) {
      const histogram = new Histogram({ ...named("histogram", name, help), buckets: [...buckets] });
      // Called for every event: `histogram.observe` makes this function anew each time.
      const unlabelled = histogram.labels();
      return (value) => unlabelled.observe(value);
    },

    gauge(name, help, read, label) {
      const gauge = new Gauge({
        ...named("gauge", name, help, label === undefined ? [] : [label]),
        async collect() {
          const reading = await read();
          // An unknown value must be absent, because an old value or zero would be wrong.
          gauge.reset();
          if (label === undefined) gauge.remove();
          if (typeof reading === "number") gauge.set(reading);
          else reading?.forEach((count, value) => gauge.set({ [label ?? ""]: value }, count));
        },
      });
    },

    // The lag of the event loop is sampled by a timer. The usual 10 ms wake an idle process a hundred times a second; even
    // twice a second it was a third of an idle agent's wakes.
    addProcessMetrics: () =>
      collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 5_000 }),
    descriptions,
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
