/** A trace on its way from the source of an event to the messages about it, with a real PostgreSQL. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeMessage } from "../../src/messaging/messages/envelope.ts";
import type { OutgoingMessage } from "../../src/messaging/message-transport.ts";
import type { JsonValue } from "../../src/model/json/json.ts";
import { insertRule, query } from "../support/platform-rows.ts";
import { insertWebhookRule, openWebhookApi, type Answered, type WebhookApi } from "../support/webhook-api.ts";
import { openRig, type PipelineRig } from "./pipeline-rig.ts";
import { sweptMessages } from "./swept-messages.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const tracestate = "congo=t61rcWkgMzE";

let rig: PipelineRig;
let api: WebhookApi;

beforeAll(async () => {
  rig = await openRig();
  await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  api = await openWebhookApi(rig);
});

afterAll(async () => {
  await api[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

interface TraceRow {
  readonly traceparent: string | null;
  readonly tracestate: string | null;
}

const rowsOf = async (payload: string): Promise<readonly TraceRow[]> =>
  await query<TraceRow>(
    rig.database,
    "select traceparent, tracestate from event where payload::text like $1 order by id",
    [`%${payload}%`],
  );

const post = async (body: JsonValue, headers: Readonly<Record<string, string>> = {}): Promise<Answered> =>
  await api.send("/api/v1/events", {
    headers: { authorization: "Bearer admin", ...headers },
    body: JSON.stringify(body),
  });

test("a posted event has the trace of its body, else of the request's headers", async () => {
  await post({ trigger_ref: "demo.tick", payload: { to: "header" } }, { traceparent, tracestate });
  await post(
    [
      { trigger_ref: "demo.tick", payload: { to: "batch" }, traceparent: other },
      { trigger_ref: "demo.tick", payload: { to: "batch" }, traceparent: "nonsense" },
      { trigger_ref: "demo.tick", payload: { to: "batch" } },
    ],
    { traceparent, tracestate },
  );

  expect(await rowsOf("header")).toEqual([{ traceparent, tracestate }]);
  expect(await rowsOf("batch")).toEqual([
    { traceparent: other, tracestate: null },
    { traceparent, tracestate },
    { traceparent, tracestate },
  ]);
});

test("an invalid trace is no trace, and never an error", async () => {
  const answer = await post(
    { trigger_ref: "demo.tick", payload: { to: "invalid" }, traceparent: { a: 1 }, tracestate: 7 },
    { traceparent: `${traceparent}, ${traceparent}`, tracestate: "=" },
  );

  expect(answer.status).toBe(201);
  expect(await rowsOf("invalid")).toEqual([{ traceparent: null, tracestate: null }]);
});

test("the API shows the trace of an event, and of an enforcement's event", async () => {
  const { data } = await post({ trigger_ref: "demo.tick", dedup_key: "k" }, { traceparent, tracestate });
  const get = async (path: string): Promise<unknown> =>
    (await api.send(`/api/v1${path}`, { method: "GET", headers: { authorization: "Bearer admin" } })).data;
  const [enforcement] = await query<{ readonly id: string }>(
    rig.database,
    "select id::text from enforcement where event = $1",
    [data["id"]],
  );

  expect(await get(`/events/${String(data["id"])}`)).toMatchObject({ traceparent, tracestate });
  expect(await get(`/enforcements/${enforcement?.id}`)).toMatchObject({ traceparent });
});

test("the event of a webhook has the trace of its request", async () => {
  await insertWebhookRule(rig, "demo.hooked", { path: "hooked" });
  api.endpoints.wake();

  await api.send("/webhooks/hooked", { headers: { traceparent, tracestate }, body: { to: "webhook" } });

  expect(await rowsOf('"to": "webhook"')).toEqual([{ traceparent, tracestate }]);
});

test.each(["from memory", "from the outbox"])("messages %s carry the trace of their event", async (from) => {
  await using own = await openRig();
  await insertRule(own.database, { ref: "demo.rule", triggerRef: "demo.tick" });
  await using running = await own.start();
  const trace = { traceparent, tracestate };

  await running.pipeline.accept(own.tick({ trace, dedupKey: "k" }));
  await running.pipeline.accept(own.tick({ payload: { n: 2 } }));

  const messages = from === "from memory" ? running.sent : await sweptMessages(own);
  const told = messages.map(traceOf);
  const with_ = { headers: trace, envelope: { trace_id: traceparent.slice(3, 35), ...trace } };
  const without = { headers: {}, envelope: {} };
  expect(told).toEqual(expect.arrayContaining([with_, with_, without, without]));
  expect(told.length).toBe(4);
});

function traceOf(message: OutgoingMessage) {
  const decoded = decodeMessage(message.body);
  if (!decoded.ok) throw new Error(decoded.problem);
  const { retry_count: _count, source_service: _service, ...envelope } = decoded.envelope.headers;
  const { traceparent: parent, tracestate: state } = message.headers ?? {};
  return JSON.parse(
    JSON.stringify({ headers: { traceparent: parent, tracestate: state }, envelope }),
  ) as unknown;
}
