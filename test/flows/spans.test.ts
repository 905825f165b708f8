/**
 * Spans of a whole agent, taken by two receivers: the one of the OpenTelemetry Collector, and a program that decodes them by the
 * official protobuf definitions of OTLP, which also refuse unknown fields. Without a package registry or a suitable Go one of
 * them is missing; its test is then skipped, and says so.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { otlpReceiver } from "../../scripts/testing/otlp-receiver.ts";
import { otlpEnvironment } from "../../scripts/testing/python-sdk.ts";
import { agentFolder, metric, ready, startAgent } from "../support/agent-process.ts";
import { insertRule, insertTrigger } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { tokenFor } from "../support/tokens.ts";

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";

interface ReceivedSpan {
  readonly service: string;
  readonly trace: string;
  readonly id: string;
  readonly parent: string;
  readonly state: string;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  readonly attributes: Readonly<Record<string, string | number>>;
}

test.for([
  { receivedBy: "the Collector", startReceiver: collector },
  { receivedBy: "the official definitions", startReceiver: definitions },
])(
  "every stored event is a trace of four spans, with its source's as parent, for $receivedBy",
  // The Collector's receiver is built first, where it was not before.
  { timeout: 420_000 },
  async ({ startReceiver }, { skip }) => {
    await using receiver = await startReceiver();
    if (receiver.kind === "unavailable") return skip(receiver.reason);
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    await insertTrigger(fresh.database, "demo.tick");
    await insertRule(fresh.database, { ref: "demo.rule", triggerRef: "demo.tick" });
    await using folder = await agentFolder({
      databaseUrl: fresh.url,
      brokerUrl: vhost.url,
      packsDirectory: join(repositoryRoot, "test/fixtures/packs"),
      workerName: "traced",
    });
    await using agent = await startAgent(folder, {
      environment: { ATTUNE__TELEMETRY__OTLP_ENDPOINT: receiver.url },
    });
    await ready(agent, folder);
    const token = await tokenFor("admin");
    const post = (traceparent: string | undefined) =>
      fetch(`${folder.apiUrl}/events`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ trigger_ref: "demo.tick", traceparent, tracestate: "a=1" }),
      });

    await post(`00-${traceId}-${parentId}-01`);
    await post(`00-${"1".repeat(32)}-${parentId}-00`);
    await post(undefined);

    await expect.poll(() => receiver.spans.length, { timeout: 20_000 }).toBe(8);
    expect(receiver.problems).toEqual([]);
    const byTrace = Map.groupBy(receiver.spans, ({ trace }) => trace);
    const traced = byTrace.get(traceId) ?? [];
    expect(traced.map(({ name }) => name)).toEqual(["event", "batch", "commit", "confirm"]);
    const [event, batch, commit, confirm] = traced;
    expect(event).toMatchObject({
      service: "attune-sensor-agent",
      parent: parentId,
      state: "a=1",
      attributes: { "attune.trigger_ref": "demo.tick", "attune.enforcements": 1 },
    });
    expect([batch?.parent, commit?.parent, confirm?.parent]).toEqual([event?.id, event?.id, event?.id]);
    expect([event?.start, batch?.end, commit?.end, confirm?.end]).toEqual([
      batch?.start,
      commit?.start,
      confirm?.start,
      event?.end,
    ]);
    // One without a trace has its own: its message id. One that is not sampled has none.
    const own = receiver.spans.find(({ name, trace }) => name === "event" && trace !== traceId);
    expect(own).toMatchObject({
      parent: "",
      trace: String(own?.attributes["attune.message_id"]).replaceAll("-", ""),
    });
    await expect.poll(() => metric(folder, "attune_sensor_agent_spans_exported_total")).toBe(8);
    expect(await metric(folder, "attune_sensor_agent_spans_dropped_total")).toBe(0);
  },
);

interface Receiver extends AsyncDisposable {
  readonly kind: "ready";
  readonly spans: readonly ReceivedSpan[];
  /** What it refused. */
  readonly problems: readonly string[];
  readonly url: string;
}

interface Unavailable extends AsyncDisposable {
  readonly kind: "unavailable";
  readonly reason: string;
}

async function definitions(): Promise<Receiver | Unavailable> {
  const python = await otlpEnvironment();
  if (python.kind === "unavailable") return unavailable(python.reason);
  const program = join(repositoryRoot, "test/fixtures/otlp-receiver.py");
  return await startProgram(
    join(python.directory, "bin/python"),
    [program],
    (line) => JSON.parse(line) as Received,
  );
}

async function collector(): Promise<Receiver | Unavailable> {
  const built = await otlpReceiver();
  if (built.kind === "unavailable") return unavailable(built.reason);
  return await startProgram(built.file, [], (line) => ({
    spans: spansOf(JSON.parse(line) as CollectorLine),
  }));
}

function unavailable(reason: string): Unavailable {
  return { kind: "unavailable", reason, [Symbol.asyncDispose]: async () => undefined };
}

interface Received {
  readonly spans?: readonly ReceivedSpan[];
  readonly problem?: string;
}

/** A program that prints its URL and then what it receives, line by line. */
async function startProgram(
  file: string,
  args: readonly string[],
  receivedOf: (line: string) => Received,
): Promise<Receiver> {
  const program = spawn(file, args, { stdio: ["ignore", "pipe", "inherit"] });
  const spans: ReceivedSpan[] = [];
  const problems: string[] = [];
  const { promise: url, resolve } = Promise.withResolvers<string>();
  createInterface({ input: program.stdout }).on("line", (line) => {
    if (line.startsWith("http")) return resolve(line);
    const { spans: more = [], problem } = receivedOf(line);
    spans.push(...more);
    if (problem !== undefined) problems.push(problem);
  });
  return {
    kind: "ready",
    spans,
    problems,
    url: await url,
    async [Symbol.asyncDispose]() {
      program.kill("SIGKILL");
    },
  };
}

interface CollectorAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: string };
}

/** OTLP in JSON, as the Collector writes what it has read. */
interface CollectorLine {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly CollectorAttribute[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly traceState?: string;
        readonly name: string;
        readonly startTimeUnixNano: string;
        readonly endTimeUnixNano: string;
        readonly attributes?: readonly CollectorAttribute[];
      }[];
    }[];
  }[];
}

function spansOf({ resourceSpans }: CollectorLine): readonly ReceivedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(attributesOf(resource.attributes)["service.name"]),
        trace: span.traceId,
        id: span.spanId,
        parent: span.parentSpanId ?? "",
        state: span.traceState ?? "",
        name: span.name,
        start: microseconds(span.startTimeUnixNano),
        end: microseconds(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes ?? []),
      })),
    ),
  );
}

function attributesOf(attributes: readonly CollectorAttribute[]): Record<string, string | number> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
}

function microseconds(nanoseconds: string): number {
  return Number(BigInt(nanoseconds) / 1_000n);
}
