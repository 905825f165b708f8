/**
 * The registry of one service's metrics: prom-client, with the project's prefix, and a list of what
 * exists for the documentation.
 *
 * A registry belongs to one service, not to the process, so that tests may have many.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { LabelPlaces } from "./label-places.ts";

export interface MetricDescription {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly labels: readonly string[];
  readonly help: string;
}

/** A gauge whose value is asked for at each scrape; it has no series while there is nothing to tell. */
export type GaugeReading = number | ReadonlyMap<string, number> | undefined;

export interface MetricRegistry {
  readonly counter: (name: string, help: string) => (count: number) => void;
  /** So that memory stays bounded, only some values have a series of their own; see label-places.ts. */
  readonly counterBy: (name: string, label: string, help: string) => (value: string, count: number) => void;
  readonly histogram: (name: string, help: string, buckets: readonly number[]) => (value: number) => void;
  /** @param label names the keys when the reading is a map */
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
      return (value, count) => counter.inc({ [label]: places.labelFor(value, count) }, count);
    },

    histogram(name, help, buckets) {
      const histogram = new Histogram({ ...named("histogram", name, help), buckets: [...buckets] });
      return (value) => histogram.observe(value);
    },

    gauge(name, help, read, label) {
      const gauge = new Gauge({
        ...named("gauge", name, help, label === undefined ? [] : [label]),
        async collect() {
          const reading = await read();
          // A series that stayed at an old value, or fell to zero, would lie: what is unknown is absent.
          gauge.reset();
          if (label === undefined) gauge.remove();
          if (typeof reading === "number") gauge.set(reading);
          else reading?.forEach((count, value) => gauge.set({ [label ?? ""]: value }, count));
        },
      });
    },

    addProcessMetrics: () => collectDefaultMetrics({ register: registry }),
    descriptions,
    contentType: registry.contentType,
    text: () => registry.metrics(),
  };
}
