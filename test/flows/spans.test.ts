/**
 * Spans of a whole agent, received by a program that decodes them by the official protobuf definitions of OTLP. Without a package
 * registry there are no definitions; the test is then skipped, and says so.
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
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

test(
  "every stored event is a trace of four spans, with its source's as parent",
  { timeout: 120_000 },
  async ({ skip }) => {
    const python = await otlpEnvironment();
    if (python.kind === "unavailable") return skip(python.reason);
    await using receiver = await startReceiver(join(python.directory, "bin/python"));
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

async function startReceiver(python: string) {
  const program = spawn(python, [join(repositoryRoot, "test/fixtures/otlp-receiver.py")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const spans: ReceivedSpan[] = [];
  const problems: string[] = [];
  const { promise: port, resolve } = Promise.withResolvers<string>();
  createInterface({ input: program.stdout }).on("line", (line) => {
    if (/^\d+$/.test(line)) return resolve(line);
    const request = JSON.parse(line) as { readonly spans?: ReceivedSpan[]; readonly problem?: string };
    spans.push(...(request.spans ?? []));
    if (request.problem !== undefined) problems.push(request.problem);
  });
  return {
    spans,
    problems,
    url: `http://127.0.0.1:${await port}`,
    async [Symbol.asyncDispose]() {
      program.kill("SIGKILL");
    },
  };
}
