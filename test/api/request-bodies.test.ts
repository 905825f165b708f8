/** Goal: bodies that never end take bounded memory on every route, and no caller keeps out another. */
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRig, type PipelineRig } from "../events/pipeline-rig.ts";
import { openPostingApi, type PostingApi } from "../support/posting-api.ts";

const roomBytes = 67_108_864;

let rig: PipelineRig;
let posting: PostingApi;

beforeAll(async () => {
  rig = await openRig();
  posting = await openPostingApi(
    rig,
    {},
    {
      other: {
        identityId: "8",
        jti: "j2",
        login: "bob",
        role: "admin",
        expiresAtMs: Number.POSITIVE_INFINITY,
      },
    },
  );
});

afterAll(async () => {
  await posting[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** Requests whose bodies lack their last byte. */
function flood(path: string, bytes: number, count: number) {
  const { hostname, port } = new URL(posting.api.address);
  const answers: string[] = [];
  const sockets = Array.from({ length: count }, () => {
    const socket = connect(Number(port), hostname).on("error", () => {});
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer admin\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
    );
    socket.write(`${bytes.toString(16)}\r\n"${"x".repeat(bytes - 1)}\r\n`);
    void text(socket).then(
      (answer) => answers.push(answer),
      () => {},
    );
    return socket;
  });
  return {
    answers,
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

test.each([
  ["/api/v1/events", 4_000_000],
  ["/events", 4_000_000],
  ["/api/v1/cloudevents", 4_000_000],
  ["/api/v1/packs/import", 16_000_000],
  ["/api/v1/rules", 1_000_000],
])("bodies for %s that never end are refused beyond the room, and others are served", async (path, bytes) => {
  const fitting = Math.floor(roomBytes / bytes);
  using flooded = flood(path, bytes, fitting + 8);
  await expect.poll(() => flooded.answers.length).toBeGreaterThanOrEqual(8);

  for (const answer of flooded.answers) {
    expect(answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(answer).toMatch(/\r\nretry-after: 5\r\n/i);
    expect(answer).toMatch(/"code":"UNAVAILABLE"/);
  }
  const event = { trigger_ref: "demo.tick", payload: { note: "y".repeat(1_000_000) } };
  expect((await posting.post(event, "other")).status).toBe(201);
  expect((await posting.post({ trigger_ref: "demo.tick", payload: { n: 1 } }, "admin")).status).toBe(201);
});

test("a body that drips is 408, and its room is free again", async () => {
  const { hostname, port } = new URL(posting.api.address);
  const socket = connect(Number(port), hostname).on("error", () => {});
  socket.write(
    `POST /api/v1/events HTTP/1.1\r\nhost: a\r\nauthorization: Bearer admin\r\ncontent-type: application/json\r\ncontent-length: 4000000\r\n\r\n`,
  );
  const dripping = setInterval(() => socket.writable && socket.write("x"), 200);

  expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
  clearInterval(dripping);
}, 60_000);
