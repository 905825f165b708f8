/** Each kit as a separate program: its output with `stream`, and its requests to a platform with `standalone`. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, onTestFinished, test, describe } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";
import { kitPack, kitPrograms, type KitPack, type KitProgram } from "./kit-programs.ts";

const surprising = 'ü "\\\n\u{1f600}';

interface Running {
  readonly child: ChildProcess;
  readonly lines: string[];
  readonly log: string[];
}

async function run(
  program: KitProgram,
  variables: Readonly<Record<string, string>>,
): Promise<Running & { pack: KitPack }> {
  const pack = await kitPack();
  onTestFinished(() => pack[Symbol.asyncDispose]());
  const child = spawn(program.interpreter, [join(pack.directory, "sensors", program.script)], {
    cwd: pack.directory,
    env: {
      PATH: process.env["PATH"] ?? "",
      LANG: "C.UTF-8",
      PYTHONPATH: join(pack.directory, "lib"),
      ATTUNE_SENSOR_REF: "kits.counter",
      ATTUNE_SENSOR_TRIGGER_TYPES: '["kits.count"]',
      ATTUNE_SENSOR_TRIGGERS:
        '[{"id": 7, "ref": "kits.seven", "trigger_ref": "kits.count", "trigger_params": {"n": 1}}]',
      ATTUNE_SENSOR_CONFIG_JSON: '{"seconds": 0.02}',
      ATTUNE_SENSOR_CONFIG_SECONDS: "0.02",
      ...variables,
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, lines: collect(child.stdout), log: collect(child.stderr), pack };
}

function collect(stream: NodeJS.ReadableStream): string[] {
  const lines: string[] = [];
  let rest = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  });
  return lines;
}

async function endOf(child: ChildProcess): Promise<unknown> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  return (await ended)[0];
}

interface PostedEvent {
  readonly dedup_key: string;
  readonly payload: { readonly count: number; readonly text: string };
  readonly checkpoint: number;
  readonly trigger_ref: string;
}

interface Platform {
  readonly url: string;
  readonly posted: { readonly event: PostedEvent; readonly token: string }[];
  readonly sockets: {
    readonly socket: WebSocket;
    readonly protocols: string;
    readonly received: unknown[];
  }[];
  rules: { id: number; ref: string; enabled: boolean; trigger_params: object }[];
}

/** A platform that answers as `answer` says; undefined: 201. */
async function platform(
  answer: (event: PostedEvent, attempt: number, response: ServerResponse) => boolean = () => false,
): Promise<Platform> {
  const posted: Platform["posted"] = [];
  const sockets: Platform["sockets"] = [];
  const receive = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const token = request.headers.authorization ?? "";
    if (request.url === "/api/v1/triggers/kits.count/rules") {
      response.end(JSON.stringify({ items: shown.rules }));
      return;
    }
    expect([request.method, request.url]).toEqual(["POST", "/api/v1/events"]);
    const event = JSON.parse(await text(request)) as PostedEvent;
    posted.push({ event, token });
    const attempt = posted.filter((each) => each.event.payload.count === event.payload.count).length;
    if (answer(event, attempt, response)) return;
    response.writeHead(201).end(JSON.stringify({ data: { id: posted.length } }));
  };
  const server = createServer((request, response) => void receive(request, response));
  const upgrades = new WebSocketServer({
    server,
    handleProtocols: (offered) => (offered.has("attune.v1") ? "attune.v1" : false),
  });
  upgrades.on("connection", (socket, request) => {
    const received: unknown[] = [];
    const protocols = request.headers["sec-websocket-protocol"] ?? request.headers.authorization ?? "";
    socket.on("message", (data: Buffer) => received.push(JSON.parse(data.toString())));
    sockets.push({ socket, protocols, received });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    for (const client of upgrades.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const shown: Platform = { url: `http://127.0.0.1:${port}`, posted, sockets, rules: [] };
  return shown;
}

const standalone = (url: string): Record<string, string> => ({
  ATTUNE_API_URL: url,
  ATTUNE_API_TOKEN: "first",
  ATTUNE_API_TOKEN_EXPIRES_AT: "2030-01-01T00:00:00.000Z",
});

describe.each(kitPrograms)("$language", (program) => {
  test("stream: a line per event from the checkpoint on, and SIGTERM ends it", async () => {
    // A token and an address alone do not make a sensor standalone.
    const { url, posted } = await platform();
    const { child, lines } = await run(program, {
      ATTUNE_SENSOR_CHECKPOINT: "41",
      ATTUNE_API_URL: url,
      ATTUNE_API_TOKEN: "first",
    });

    await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(await endOf(child)).toBe(0);
    const events = lines.map((line) => JSON.parse(line) as PostedEvent);
    expect(events.map(({ payload }) => payload.count)).toEqual(events.map((_, index) => 42 + index));
    expect(events[0]).toMatchObject({ payload: { text: surprising }, checkpoint: 42 });
    expect(posted).toEqual([]);
  });

  test("standalone: every event is posted with the token and a key, in order, nothing on stdout", async () => {
    const { url, posted } = await platform();
    const { child, lines } = await run(program, standalone(url));

    await expect.poll(() => posted.length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(await endOf(child)).toBe(0);
    expect(lines).toEqual([]);
    expect(posted.map(({ event }) => event.payload.count)).toEqual(posted.map((_, index) => index + 1));
    expect(posted[0]).toMatchObject({
      token: "Bearer first",
      event: { trigger_ref: "kits.count", checkpoint: 1, payload: { text: surprising } },
    });
    expect(new Set(posted.map(({ event }) => event.dedup_key)).size).toBe(posted.length);
  });

  test("standalone: what has no final answer is repeated with the same key, what is refused is not", async () => {
    const { url, posted } = await platform(({ payload: { count } }, attempt, response) => {
      if (attempt > 1) return false;
      if (count === 1) response.writeHead(503, { "retry-after": "1" }).end("{}");
      else if (count === 2) response.socket?.destroy();
      else if (count === 3) response.writeHead(422).end('{"error": "No good.", "code": "VALIDATION_FAILED"}');
      else return false;
      return true;
    });
    const { log } = await run(program, standalone(url));

    await expect.poll(() => posted.length, { timeout: 20_000 }).toBeGreaterThan(6);
    expect(posted.slice(0, 6).map(({ event }) => event.payload.count)).toEqual([1, 1, 2, 2, 3, 4]);
    const keys = posted.map(({ event }) => event.dedup_key);
    expect([keys[1], keys[3]]).toEqual([keys[0], keys[2]]);
    expect(log.join("\n")).toMatch(/refused.*(No good|422)/);
  });

  test("standalone: the newest token is used once the file has it", async () => {
    const { url, posted } = await platform();
    const pack = await kitPack();
    onTestFinished(() => pack[Symbol.asyncDispose]());
    const path = join(pack.directory, "token.json");
    const state = async (token: string): Promise<void> => {
      await writeFile(`${path}.new`, JSON.stringify({ token, expires_at: "2030-01-01T00:00:00Z" }));
      await rename(`${path}.new`, path);
    };
    await state("second");
    const { ATTUNE_API_TOKEN_EXPIRES_AT: _expiry, ...variables } = standalone(url);
    await run(program, { ...variables, ATTUNE_SENSOR_TOKEN_STATE_PATH: path });
    await expect.poll(() => posted.at(-1)?.token, { timeout: 20_000 }).toBe("Bearer second");

    await state("third");

    await expect.poll(() => posted.at(-1)?.token, { timeout: 20_000 }).toBe("Bearer third");
  });
});

function notice(eventType: string, id: number, n: number, isActive: boolean): string {
  return JSON.stringify({
    type: "notification",
    entity_type: "rule_lifecycle",
    payload: {
      event_type: eventType,
      rule_id: id,
      rule_ref: `kits.${id}`,
      trigger_ref: "kits.count",
      trigger_params: { n },
      active: isActive,
    },
  });
}

describe.each(kitPrograms.filter(({ language }) => language !== "shell"))("$language", (program) => {
  test("standalone: changes of rules arrive over the WebSocket, also after it broke", async () => {
    const { url, sockets } = await platform();
    const notifier = { ATTUNE_NOTIFIER_WS_URL: `${url.replace("http", "ws")}/ws` };
    const { log } = await run(program, { ...standalone(url), ...notifier });
    const connection = async (index: number) => {
      await expect
        .poll(() => sockets[index]?.received, { timeout: 20_000 })
        .toEqual([{ type: "subscribe", filter: "trigger_ref:kits.count" }]);
      const found = sockets[index];
      if (found === undefined) throw new Error("there is no such connection");
      return found;
    };
    const rules = () => log.filter((line) => line.startsWith("rule "));
    const first = await connection(0);
    expect(first.protocols).toContain("first");
    first.socket.send(JSON.stringify({ type: "welcome", client_id: "1", message: "hello" }));
    // What is known already is no news.
    first.socket.send(notice("rule.updated", 7, 1, true).replace("kits.7", "kits.seven"));
    first.socket.send(notice("rule.enabled", 8, 2, true));
    first.socket.send(notice("rule.updated", 8, 3, true));
    first.socket.send(notice("rule.disabled", 8, 3, false));
    await expect
      .poll(rules, { timeout: 20_000 })
      .toEqual(["rule 7 True 1", "rule 8 True 2", "rule 8 True 3", "rule 8 False 3"]);

    first.socket.terminate();
    const second = await connection(1);
    second.socket.send(notice("rule.deleted", 7, 1, false));

    await expect.poll(rules, { timeout: 20_000 }).toContainEqual("rule 7 False 1");
  });
});

test("node without WebSocket asks for the rules", async () => {
  const [, node] = kitPrograms;
  const shown = await platform();
  shown.rules = [{ id: 9, ref: "kits.nine", enabled: true, trigger_params: { n: 4 } }];
  const { log } = await run(node as KitProgram, standalone(shown.url));

  await expect
    .poll(() => log.filter((line) => line.startsWith("rule ")), { timeout: 20_000 })
    .toEqual(["rule 7 True 1", "rule 7 False 1", "rule 9 True 4"]);
});
