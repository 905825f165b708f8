/** CloudEvents as the official SDK sends them, with a real PostgreSQL behind the pipeline. */
import { CloudEvent, HTTP, type Message } from "cloudevents";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { insertTrigger, query } from "../support/platform-rows.ts";
import { openPostingApi, type PostingApi } from "../support/posting-api.ts";

const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

let rig: PipelineRig;
let posting: PostingApi;

beforeAll(async () => {
  rig = await openRig();
  for (const [ref, mapping] of [
    ["demo.pushed", { type: "com.github.push" }],
    ["demo.any_github", { type: "com.github.*" }],
    ["demo.off", { type: "org.off" }],
  ] as const) {
    await insertTrigger(rig.database, ref);
    await query(rig.database, "update trigger set cloudevents = $2, enabled = $3 where ref = $1", [
      ref,
      mapping,
      ref !== "demo.off",
    ]);
  }
  await query(rig.database, "update trigger set cloudevents = $1 where ref = 'demo.tick'", [
    { type: "tick" },
  ]);
  posting = await openPostingApi(rig);
});

afterAll(async () => {
  await posting[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

interface Answered {
  readonly status: number;
  readonly body: { readonly data?: { readonly id?: number } } & Record<string, unknown>;
}

async function send(
  { headers, body }: Pick<Message, "headers" | "body">,
  { token = "admin", path = "/cloudevents" } = {},
): Promise<Answered> {
  const response = await fetch(`${posting.api.address}${path}`, {
    method: "POST",
    headers: { ...(headers as Record<string, string>), authorization: `Bearer ${token}` },
    body: body as string,
  });
  return { status: response.status, body: (await response.json()) as Answered["body"] };
}

const structured = (body: unknown, type = "application/cloudevents+json") => ({
  headers: { "content-type": type },
  body: typeof body === "string" ? body : JSON.stringify(body),
});

async function stored(id: unknown): Promise<unknown> {
  const [row] = await query(
    rig.database,
    "select trigger_ref, payload, occurred_at, traceparent, source_ref from event where id = $1",
    [id],
  );
  return row;
}

const push = new CloudEvent({
  id: "first/1",
  type: "com.github.push",
  source: "https://github.com/acme/site",
  subject: "main",
  time: "2026-01-31T12:00:00.000Z",
  datacontenttype: "application/json",
  data: { commits: 3 },
  traceparent,
});

test("the same event in binary and in structured mode is one event, with all its attributes", async () => {
  const first = await send(HTTP.binary(push));
  const second = await send(HTTP.structured(push), { path: "/api/v1/cloudevents" });

  expect(first).toMatchObject({ status: 201 });
  expect(second).toEqual({ status: 200, body: { data: { id: first.body.data?.id, deduplicated: true } } });
  expect(await stored(first.body.data?.id)).toMatchObject({
    trigger_ref: "demo.pushed",
    payload: {
      specversion: "1.0",
      id: "first/1",
      type: "com.github.push",
      source: "https://github.com/acme/site",
      subject: "main",
      data: { commits: 3 },
    },
    occurred_at: new Date("2026-01-31T12:00:00Z"),
    traceparent,
  });
});

test("what the SDK makes of the stored payload is the event that was sent", async () => {
  const sent = push.cloneWith({ id: "there and back", data: { deep: [{ n: 1.5 }, "ä"] } });
  for (const mode of ["binary", "structured"] as const) {
    const own = sent.cloneWith({ id: `there and back, ${mode}` });
    const { body } = await send(HTTP[mode](own));
    const row = (await stored(body.data?.id)) as { readonly payload: object };
    expect(new CloudEvent(row.payload).toJSON()).toMatchObject(own.toJSON());
  }
});

test("a batch has an outcome for each event", async () => {
  const events = [
    push.cloneWith({ id: "batch 1" }).toJSON(),
    push.cloneWith({ id: "batch 2", type: "com.github.fork" }).toJSON(),
    push.cloneWith({ id: "batch 3", type: "unheard.of" }).toJSON(),
    { specversion: "1.0" },
    push.cloneWith({ id: "batch 1" }).toJSON(),
  ];

  const { status, body } = await send(structured(events, "application/cloudevents-batch+json"));

  expect(status).toBe(207);
  expect(body.data).toMatchObject([
    { status: 201 },
    { status: 201 },
    {
      status: 422,
      code: "VALIDATION_FAILED",
      details: [{ problem: "no enabled trigger takes CloudEvents of its type and source" }],
    },
    { status: 422, details: [{ problem: expect.stringMatching(/^id/) }] },
    { status: 200, deduplicated: true },
  ]);
  expect(await send(structured([], "application/cloudevents-batch+json"))).toMatchObject({ status: 200 });
  const many = Array.from({ length: 1_001 }, () => events[0]);
  expect(await send(structured(many, "application/cloudevents-batch+json"))).toMatchObject({ status: 422 });
});

test("digits of numbers and bytes of data stay", async () => {
  const text = `{"specversion":"1.0","id":"digits","source":"/","type":"com.github.push","data":{"n":12345678901234567890.10}}`;
  const { body } = await send(structured(text));
  const [row] = await query<{ readonly text: string }>(
    rig.database,
    "select payload->'data'->>'n' as text from event where id = $1",
    [body.data?.id],
  );
  expect(row?.text).toBe("12345678901234567890.10");

  const bytes = await send(
    HTTP.binary(
      push.cloneWith({
        id: "bytes",
        datacontenttype: "application/octet-stream",
        data: new Uint8Array([0xff, 0]),
      }),
    ),
  );
  expect(await stored(bytes.body.data?.id)).toMatchObject({ payload: { data_base64: "/wA=" } });
});

test("a sensor's token is for events of its triggers, and they are its own", async () => {
  const tick = push.cloneWith({ id: "own", type: "tick" });

  const { status, body } = await send(HTTP.binary(tick), { token: "sensor" });

  expect(status).toBe(201);
  expect(await stored(body.data?.id)).toMatchObject({ trigger_ref: "demo.tick", source_ref: "demo.sensor" });
  expect(await send(HTTP.binary(push), { token: "sensor" })).toMatchObject({ status: 403 });
  expect(await send(HTTP.binary(push), { token: "viewer" })).toMatchObject({ status: 403 });
  expect(await send(HTTP.binary(push), { token: "nobody" })).toMatchObject({ status: 401 });
});

test.each([
  ["no CloudEvent", structured({}), 422],
  ["no JSON", structured("{"), 400],
  ["a trigger that is off", structured({ specversion: "1.0", id: "1", source: "/", type: "org.off" }), 422],
  ["another format", structured("<a/>", "application/cloudevents+xml"), 415],
  ["a batch that is no array", structured({}, "application/cloudevents-batch+json"), 422],
  ["no body and no headers", { headers: {}, body: "" }, 422],
  ["too much", structured("x".repeat(4_194_305)), 413],
])("%s is refused", async (_name, message, status) => {
  const answer = await send(message);
  expect(answer).toMatchObject({ status, body: { error: expect.any(String), code: expect.any(String) } });
});

test.each([
  [{ subject: { a: 1 } }, "subject must be text, and not empty"],
  [{ subject: "" }, "subject must be text, and not empty"],
  [{ datacontenttype: 5 }, "datacontenttype must be text, and not empty"],
  [{ ratio: 1.5 }, "ratio must be text, true, false or a whole number: structures belong into data"],
  [{ tags: ["a"] }, "tags must be text, true, false or a whole number: structures belong into data"],
  [{ data: undefined, data_base64: "no base64" }, "data_base64 must be Base64"],
  [{ data: undefined, data_base64: 5 }, "data_base64 must be Base64"],
  [{ id: undefined }, "id is missing"],
  [{ source: "" }, "source must be text, and not empty"],
  [{ specversion: "0.3" }, 'specversion must be "1.0"'],
  [
    { specversion: undefined },
    expect.stringMatching(/^specversion is missing; attributes are headers such as ce-id/),
  ],
  [{ fooBar: "x" }, expect.stringMatching(/unlike fooBar$/)],
])("a CloudEvent with %j is refused, and the answer says why", async (wrong, problem) => {
  const answer = await send(structured({ ...push.toJSON(), id: "wrong", ...wrong }));
  expect(answer).toMatchObject({ status: 422, body: { details: [{ parameter: "body", problem }] } });
});

test("extensions that are text, whole numbers and booleans stay what they are", async () => {
  const extensions = { sequence: 2_147_483_647, sampled: true, tenant: "acme", unset: null };
  const { status, body } = await send(structured({ ...push.toJSON(), id: "extended", ...extensions }));
  expect(status).toBe(201);
  const { payload } = (await stored(body.data?.id)) as { readonly payload: Record<string, unknown> };
  expect(payload).toMatchObject({ sequence: 2_147_483_647, sampled: true, tenant: "acme" });
  expect(payload).not.toHaveProperty("unset");
});

test("ids of any length identify an event", async () => {
  const id = "x".repeat(3_000);
  const first = await send(structured({ ...push.toJSON(), id }));
  const second = await send(structured({ ...push.toJSON(), id }));
  const other = await send(structured({ ...push.toJSON(), id: `${id}y` }));
  expect([first.status, second.status, other.status]).toEqual([201, 200, 201]);
});
