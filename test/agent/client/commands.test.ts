/** The commands that talk to an API, as processes, against an API of the test's own. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtempDisposable, truncate, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { ownMark } from "../../../src/files/process-mark.ts";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import type { ClientInvocation } from "../../../src/agent/commands/resources.ts";
import { printLogs } from "../../../src/agent/commands/sensor-logs.ts";
import { visibleText } from "../../../src/model/texts/quoted-text.ts";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { openAuthority } from "../../support/certificates.ts";

interface Asked {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly token: string | undefined;
}

async function api(
  answer: (request: IncomingMessage) => { readonly status?: number; readonly body: unknown },
) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    asked.push({ method, url, token: headers.authorization });
    const { status = 200, body } = answer(request);
    response.writeHead(status, { "content-type": "application/json" });
    response.end(typeof body === "string" ? body : JSON.stringify(body));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function agent(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { ATTUNE_API_URL: _url, ATTUNE_API_TOKEN: _token, ...env } = process.env;
  const command = [join(repositoryRoot, "src/main.ts"), ...args];
  try {
    const options = { env: { ...env, ...environment }, cwd: tmpdir() };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, command, options);
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, stdout, stderr };
  }
}

const page = (items: readonly unknown[], hasNext = false) => ({
  items,
  pagination: {
    page: 1,
    page_size: 100,
    total_items: items.length,
    total_pages: 1,
    has_next: hasNext,
    has_previous: false,
  },
});

const sensor = {
  ref: "garden.thermometer",
  state: "failed",
  enabled: true,
  worker_name: null,
  protocol: "stream",
  reason: "it exited\nwith code 1",
  process: { last_output_at: null },
};

test("a list is a table, with filters as parameters and every page read", async () => {
  const pages = [page([sensor], true), page([{ ...sensor, ref: "garden.door" }])];
  const { url, asked } = await api(() => ({ body: pages.shift() }));

  const { stdout, code } = await agent(
    ["sensors", "list", "--enabled", "yes", "--trigger", "garden.heat", "--api", url],
    {
      ATTUNE_API_TOKEN: "secret",
    },
  );

  expect(code).toBe(0);
  expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["SENSOR", "STATE", "ENABLED", "WORKER", "PROTOCOL", "LAST OUTPUT", "REASON"],
    ["garden.thermometer", "failed", "yes", "-", "stream", "-", "it exited with code 1"],
    ["garden.door", "failed", "yes", "-", "stream", "-", "it exited with code 1"],
    [""],
  ]);
  expect(asked.map(({ token }) => token)).toEqual(["Bearer secret", "Bearer secret"]);
  expect(asked[1]?.url).toBe("/api/v1/sensors?enabled=true&trigger_ref=garden.heat&page=2&page_size=100");
});

test("a list is read on from the cursor that an answer has", async () => {
  const [first, second] = [page([sensor], true), page([{ ...sensor, ref: "garden.door" }])];
  const pages = [{ ...first, pagination: { ...first.pagination, next: "c-1" } }, second];
  const { url, asked } = await api(() => ({ body: pages.shift() }));

  const { stdout } = await agent(["sensors", "list", "--api", url], { ATTUNE_API_TOKEN: "secret" });

  expect(stdout).toContain("garden.door");
  expect(asked.map((request) => request.url)).toEqual([
    "/api/v1/sensors?page=1&page_size=100",
    "/api/v1/sensors?after=c-1&page_size=100",
  ]);
});

test("timers are listed with why an invalid one cannot fire", async () => {
  const nightly = {
    rule_ref: "reports.nightly",
    trigger_ref: "core.crontimer",
    state: "invalid",
    next_fire_local: null,
    last_fired_at: null,
    execution_count: 0,
    counts: {},
    skipped_count: 0,
    note: null,
    problem: "expression: has too few fields",
  };
  const { url } = await api(() => ({ body: page([nightly]) }));

  const { stdout } = await agent(["timers", "list", "--api", url], { ATTUNE_API_TOKEN: "secret" });

  const [head, row] = stdout.split("\n").map((line) => line.split(/ {2,}/));
  expect(head?.slice(-2)).toEqual(["NOTE", "PROBLEM"]);
  expect(row?.slice(0, 4)).toEqual(["reports.nightly", "core.crontimer", "invalid", "-"]);
  expect(row?.slice(-2)).toEqual(["-", "expression: has too few fields"]);
});

test("workers are listed with how much of their capacity is used, which built-in sensors do not use", async () => {
  const worker = {
    name: "sensor-web-7",
    alive: true,
    status: "active",
    worker_role: "sensor",
    sensors_held: 5,
    capacity_used: 2,
    capabilities: { runtimes: ["python", "builtin"], max_concurrent_sensors: 10 },
    last_heartbeat: null,
  };
  const { url } = await api(() => ({ body: page([worker]) }));

  const { stdout } = await agent(["workers", "list", "--api", url], { ATTUNE_API_TOKEN: "secret" });

  expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["WORKER", "ALIVE", "STATUS", "ROLE", "SENSORS", "AT MOST", "RUNTIMES", "LAST HEARTBEAT"],
    ["sensor-web-7", "yes", "active", "sensor", "2", "10", "python, builtin", "-"],
    [""],
  ]);
});

test("deliveries of webhooks are listed by what one knows of them, and one is shown whole", async () => {
  const delivery = {
    id: 310,
    verdict: "duplicate",
    reason: null,
    path: "github/push",
    trigger_ref: "core.webhook",
    delivery_id: "72d3162e",
    event_id: 4711,
    remote_address: "140.82.115.3",
    created: "2026-11-28T18:00:31.120Z",
  };
  const { url, asked } = await api(({ url: path }) => ({
    body: path?.startsWith("/api/v1/deliveries/") === true ? { data: delivery } : page([delivery]),
  }));
  const connection = { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" };
  const filters = ["--delivery", "72d3162e", "--path", "github/push", "--verdict", "duplicate"];
  const further = ["--rule", "demo.push", "--request", "r-1", "--event", "4711"];

  const { stdout } = await agent(["deliveries", "list", ...filters, ...further], connection);
  const shown = await agent(["deliveries", "show", "310"], connection);

  expect(stdout.split("\n").map((line) => line.split(/ {2,}/))).toEqual([
    ["ID", "VERDICT", "REASON", "PATH", "TRIGGER", "DELIVERY", "EVENT", "FROM", "CREATED"],
    [
      "310",
      "duplicate",
      "-",
      "github/push",
      "core.webhook",
      "72d3162e",
      "4711",
      "140.82.115.3",
      "2026-11-28T18:00:31.120Z",
    ],
    [""],
  ]);
  const { searchParams } = new URL(asked[0]?.url ?? "", url);
  expect(Object.fromEntries(searchParams)).toMatchObject({
    delivery_id: "72d3162e",
    path: "github/push",
    verdict: "duplicate",
    rule_ref: "demo.push",
    request_id: "r-1",
    event: "4711",
  });
  expect(asked[1]?.url).toBe("/api/v1/deliveries/310");
  expect(parse(shown.stdout)).toEqual({ ...delivery, created: expect.anything() });
});

test("JSON and YAML keep everything, also digits", async () => {
  const body = '{"data": {"id": 9007199254740993, "config": {"n": 1e400}, "label": "yes"}}';
  const { url } = await api(() => ({ body }));
  const connection = { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" };

  const json = await agent(["events", "show", "9007199254740993", "--format", "json"], connection);
  const yaml = await agent(["events", "show", "9007199254740993"], connection);

  expect(json.stdout.replaceAll(/\s/g, "")).toBe(
    '{"id":9007199254740993,"config":{"n":1e400},"label":"yes"}',
  );
  expect(parse(yaml.stdout)).toEqual({ id: "9007199254740993", config: { n: "1e400" }, label: "yes" });
});

const forged = "x\n4712  accepted  \u001b[2J\u009b2J\u202egpj\u2028y";
const shown = String.raw`x 4712 accepted \u001b[2J\u009b2J\u202egpj`;

// Goal: what a sender or a sensor chose neither looks like another line nor steers the terminal.
// Method: an API that answers with such a text at every place.
test.each([
  [["deliveries", "list"], page([{ path: forged }]), 2],
  [
    ["events", "explain", "1"],
    { data: { answer: forged, notes: [forged], rules: [{ sentence: forged, would_match_if: forged }] } },
    4,
  ],
  [["rules", "explain", "a.b"], { data: { answer: forged, groups: [{ events: 1, reason: forged }] } }, 2],
  [["sensors", "explain", "a.b"], { data: { answer: forged, rejected: [forged] } }, 2],
  [["rules", "diff", "a.b"], { data: { ref: "a.b", to: 2, differences: [{ field: forged, from: "a" }] } }, 3],
  [["rules", "history", "a.b"], { data: [{ version: 1, changed_by: forged }] }, 2],
  [
    ["triggers", "schema", "a.b"],
    { data: { samples: 1, trigger_ref: forged, drifts: [{ text: forged }] } },
    5,
  ],
  [["verify"], { done: { checked: {}, found: [{ count: 1, meaning: forged, examples: [forged] }] } }, 5],
  [["events", "replay", "1"], { event: 1, outcome: "skipped", reason: forged }, 2],
  [["rules", "list"], { error: forged, code: "CONFLICT" }, 1],
])("what strangers chose stays on its line and steers no terminal: %j", async (args, answer, lineCount) => {
  const { url } = await api(() => ({
    status: "error" in answer ? 409 : 200,
    body: `${JSON.stringify(answer)}\n`,
  }));

  const { stdout, stderr } = await agent(args, { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" });

  const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
  expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u);
  expect(lines.join("\n").replaceAll(/ +/g, " ")).toContain(shown);
  expect(lines).toHaveLength(lineCount);
});

test.each(["json", "yaml"])("%s has the same text without steering the terminal", async (format) => {
  const body = { data: { [forged]: forged, plain: "größe\n\ttwo" } };
  const { url } = await api(() => ({ body }));

  const { stdout } = await agent(["events", "show", "1", "--format", format], {
    ATTUNE_API_URL: url,
    ATTUNE_API_TOKEN: "t",
  });

  expect(parse(stdout)).toEqual(body.data);
  expect(stdout.replaceAll(/[\t\n]/g, "")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u);
});

test("a log goes to a file as it is, and to a terminal with colours as its only control characters", async () => {
  const log = "t \u001b[31mred\u001b[0m\r\nt \u001b]52;c;eA==\u0007\u001b[2J\u009b2J\n";
  const { url } = await api(() => ({ body: log }));
  async function printed(isTerminal: boolean): Promise<string> {
    let text = "";
    const invocation: ClientInvocation = {
      configPath: undefined,
      workerName: undefined,
      environment: { ATTUNE_API_TOKEN: "t" },
      print: (more) => (text += visibleText(more)),
      printUnchanged: (more) => (text += more),
      hasReader: () => true,
      complain: () => {},
      apiUrl: url,
      output: "table",
      isWatched: false,
      isTerminal,
    };
    await printLogs(invocation, { ref: "a.b", tail: "10", isFollowing: false });
    return text;
  }

  expect(await printed(false)).toBe(log);
  expect(await printed(true)).toBe(
    `t \u001b[31mred\u001b[0m\r\n${String.raw`t \u001b]52;c;eA==\u0007\u001b[2J\u009b2J`}\n`,
  );
});

// Goal: a command without an end ends with its reader, as `tail -f log | head -1` does.
// Method: real pipes; the API has another line each time, so that the second one finds the pipe closed.
test.each(["sensors logs a.b --follow", "rules list --watch"])(
  "%s ends when nobody reads it any more",
  async (call) => {
    const server = createServer((request, response) => {
      if (request.url?.includes("/logs") !== true) return void response.end(JSON.stringify(page([])));
      const timer = setInterval(() => response.write("line\n"), 20);
      response.once("close", () => clearInterval(timer));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    const script = `set -o pipefail; "$0" "$1" ${call} | head -n 1`;

    const { stdout, stderr } = await promisify(execFile)(
      "bash",
      ["-c", script, process.execPath, join(repositoryRoot, "src/main.ts")],
      { env: { ...process.env, ATTUNE_API_URL: `http://127.0.0.1:${port}`, ATTUNE_API_TOKEN: "t" } },
    );

    expect([stdout, stderr]).toEqual([call.includes("logs") ? "line\n" : "none\n", ""]);
  },
);

test("a list that is watched goes on when the agent has been away", async () => {
  const unavailable = { status: 503, body: { error: "The agent is stopping.", code: "UNAVAILABLE" } };
  const answers = [{ body: page([]) }, unavailable, unavailable, { body: page([]) }];
  const { url } = await api(() => answers.shift() ?? { body: page([]) });
  const script = `"$0" "$1" rules list --watch | head -n 2`;

  const { stdout, stderr } = await promisify(execFile)(
    "bash",
    ["-c", script, process.execPath, join(repositoryRoot, "src/main.ts")],
    { env: { ...process.env, ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" } },
  );

  expect(stdout).toBe("none\nnone\n");
  expect(stderr).toMatch(/^attune-sensor-agent: could not list rules .*The agent is stopping .*\n$/);
});

test("without any setting the agent of this machine is asked", async () => {
  const { url, asked } = await api(() => ({ body: page([]) }));
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-data-"));
  await writeFile(
    join(folder.path, "agent.json"),
    JSON.stringify({ url, token: "its own", process: ownMark() }),
  );

  const own = { ATTUNE__DATA_DIR: folder.path };
  const { stdout } = await agent(["rules", "list"], own);
  // As in the agent's own container.
  const inContainer = await agent(["rules", "list"], { ...own, ATTUNE_API_URL: "http://127.0.0.1:1" });

  expect([stdout, inContainer.stdout]).toEqual(["none\n", "none\n"]);
  expect(asked.map(({ token }) => token)).toEqual(["Bearer its own", "Bearer its own"]);
});

test("without an agent and without a token for the API that is named, both are said", async () => {
  const { code, stderr } = await agent(["rules", "list"], {
    ATTUNE__DATA_DIR: "/nonexistent",
    ATTUNE_API_URL: "http://127.0.0.1:1",
  });

  expect(code).toBe(1);
  expect(stderr).toMatch(
    /: no agent with this configuration runs on this machine .*, and ATTUNE_API_TOKEN has no token for the API that ATTUNE_API_URL names \(http:\/\/127\.0\.0\.1:1\); .*\[API_UNREACHABLE\]\n$/,
  );
});

const unknownRule = { status: 404, body: { error: "There is no rule b.missing.", code: "NOT_FOUND" } };

test("several are changed in one call; one that is refused is reported and does not stop the others", async () => {
  const { url, asked } = await api(({ url: path }) =>
    path?.includes("b.missing") === true ? unknownRule : { body: { data: {} } },
  );
  const connection = { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" };
  const refs = ["a.b/c", "b.missing", "c.d", "a.b/c"];

  const { code, stdout, stderr } = await agent(["rules", "disable", ...refs], connection);
  const json = await agent(["rules", "disable", ...refs, "--format", "json"], connection);

  expect([code, stdout]).toEqual([1, "rule a.b/c: disabled\nrule c.d: disabled\n"]);
  expect(asked.slice(0, 3).map((each) => `${each.method} ${each.url}`)).toEqual([
    "POST /api/v1/rules/a.b%2Fc/disable",
    "POST /api/v1/rules/b.missing/disable",
    "POST /api/v1/rules/c.d/disable",
  ]);
  expect(stderr).toMatch(
    /^attune-sensor-agent: could not disable the rule b\.missing .*There is no rule b\.missing \(NOT_FOUND\).*\[API_REFUSED\]\n$/,
  );
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toEqual([
    { rule: "a.b/c", done: "disable" },
    { rule: "b.missing", failed: "disable", reason: "There is no rule b.missing (NOT_FOUND)" },
    { rule: "c.d", done: "disable" },
  ]);
});

test("what a command changes does not depend on whether anybody reads its complaints", async () => {
  const { url } = await api(({ url: path }) =>
    path?.includes("b.missing") === true ? unknownRule : { body: { data: {} } },
  );
  const closedPipe = `exec 3> >(true); wait $!; exec "$0" "$1" rules disable b.missing c.d 2>&3`;

  const call = promisify(execFile)(
    "bash",
    ["-c", closedPipe, process.execPath, join(repositoryRoot, "src/main.ts")],
    { env: { ...process.env, ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" } },
  );

  await expect(call).rejects.toMatchObject({ code: 1, stdout: "rule c.d: disabled\n" });
});

test("when the API is lost, what was changed, what failed and what was not attempted are told apart", async () => {
  const { url } = await api(({ url: path, socket }) => {
    if (path?.includes("b.lost") === true) socket.destroy();
    return { body: { data: {} } };
  });
  const connection = { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" };
  const refs = ["a.done", "b.lost", "c.left", "d.left"];

  const { code, stdout, stderr } = await agent(["sensors", "disable", ...refs], connection);
  const json = await agent(["sensors", "disable", ...refs, "--format", "json"], connection);

  expect([code, stdout]).toEqual([1, "sensor a.done: disabled\n"]);
  expect(stderr).toMatch(
    /^not attempted: disable sensors c\.left, d\.left\nattune-sensor-agent: could not disable the sensor b\.lost .*\[API_UNREACHABLE\]\n$/,
  );
  expect(json.code).toBe(1);
  expect(JSON.parse(json.stdout)).toEqual([
    { sensor: "a.done", done: "disable" },
    { sensor: "b.lost", failed: "disable", reason: expect.any(String) },
    { sensor: "c.left", failed: "disable", reason: "not attempted" },
    { sensor: "d.left", failed: "disable", reason: "not attempted" },
  ]);
});

test("a certificate that cannot be verified is explained, and NODE_EXTRA_CA_CERTS makes it known", async () => {
  using authority = openAuthority("walk");
  const { cert, key } = authority.sign("localhost");
  const server = createSecureServer({ cert: readFileSync(cert), key: readFileSync(key) }, (_, response) =>
    response.end(JSON.stringify(page([]))),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const connection = { ATTUNE_API_URL: `https://localhost:${port}`, ATTUNE_API_TOKEN: "t" };
  const known = { NODE_EXTRA_CA_CERTS: authority.ca };

  const unknown = await agent(["sensors", "list"], connection);
  const verified = await agent(["sensors", "list"], { ...connection, ...known });

  expect(unknown.stderr).toContain(
    "does not know the authority that issued its certificate; set NODE_EXTRA_CA_CERTS",
  );
  expect(verified).toMatchObject({ code: 0, stderr: "" });
});

test("a restart says what became of it", async () => {
  const states = [
    { restarted: true, state: "backoff" },
    { restarted: false, state: null },
  ];
  const { url } = await api(() => ({ body: { data: states.shift() } }));

  const { stdout } = await agent(["sensors", "restart", "a.b", "c.d"], {
    ATTUNE_API_URL: url,
    ATTUNE_API_TOKEN: "t",
  });

  expect(stdout).toBe(
    "sensor a.b: restarted, now backoff\nsensor c.d: its former process is still being stopped; it is started after that\n",
  );
});

test("every problem of a refused request is named", async () => {
  const details = [
    { parameter: "page", problem: "must be integer" },
    { parameter: "state", problem: "must be one of a, b" },
  ];
  const { url } = await api(() => ({
    status: 422,
    body: { error: "Not valid.", code: "VALIDATION_FAILED", details },
  }));

  const { stderr } = await agent(["sensors", "list"], { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" });

  expect(stderr).toContain("page must be integer");
  expect(stderr).toContain("state must be one of a, b");
});

test.each([
  ["what is no API", () => ({ body: "<html>" }), /is not the agent's API/],
  [
    "another program's API",
    () => ({ status: 404, body: { error: "Object Not Found", reason: "Not Found" } }),
    /is not the agent's API/,
  ],
  [
    "a token that is not valid",
    () => ({ status: 401, body: { error: "No.", code: "UNAUTHORIZED" } }),
    /token create/,
  ],
] as const)("%s is one clear error", async (_, answer, expected) => {
  const { url } = await api(answer);

  const { code, stderr } = await agent(["workers", "list"], { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" });

  expect(code).toBe(1);
  expect(stderr).toMatch(expected);
  expect(stderr.trimEnd()).not.toContain("\n");
});

test.each([
  [["sensors", "list", "--limit", "0"], "--limit takes a number"],
  [["sensors", "list", "--enabled", "maybe"], "--enabled takes yes or no"],
  [["sensors", "logs", "a.b", "--tail", "x"], "--tail takes a number"],
  [["sensors", "show", "a.b", "--watch"], "--watch only works"],
  [["sensors", "show", ""], 'show takes a name, not ""'],
  [["sensors", "disable", "a.b", ""], 'disable takes a name, not ""'],
  [["rules", "delete", ".."], 'delete takes a name, not ".."'],
  [["doctor", "--format", "yaml"], "--format yaml only works with commands that list or show"],
  [["events", "explain", "0"], "explain takes the id of an event, not 0"],
  [["events", "show", "latest"], "show takes the id of one of the events, not latest"],
  [["enforcements", "list", "--event", "x"], "--event takes an id, not x"],
  [["events", "replay", "0"], "0 is not the id of an event"],
  [["events", "replay", "--since", "yesterday"], "--since takes a time like"],
  [["events", "replay", "--since", "1h", "--until", "soon"], "--until takes a time like"],
  [["verify", "--since", "2999-01-01T00:00:00Z"], "--since 2999-01-01T00:00:00Z is in the future"],
  [["rules", "backtest", "a.b", "--since", "1 week"], "--since takes a time like"],
  [["rules", "revert", "a.b", "0"], "revert takes a version's number, not 0"],
  [["rules", "diff", "a.b", "first"], "diff takes the numbers of versions, not first"],
  [["rules", "test", "a.b", "--event", "0"], "--event takes the id of an event, not 0"],
])("%j is a wrong call, with or without an agent", async (args, complaint) => {
  const { code, stderr } = await agent(args);

  expect(code).toBe(2);
  expect(stderr).toContain(complaint);
});

test("the name that was probably meant is what the command advises", async () => {
  const error = "There is no rule a.c; did you mean a.b?";
  const { url } = await api(() => ({ status: 404, body: { error, code: "NOT_FOUND" } }));

  const { stderr } = await agent(["rules", "history", "a.c"], {
    ATTUNE_API_URL: url,
    ATTUNE_API_TOKEN: "t",
  });

  expect(stderr).toBe(
    `attune-sensor-agent: could not read the history of the rule a.c through the API at ${url}: There is no rule a.c (NOT_FOUND); did you mean a.b? [API_REFUSED]\n`,
  );
});

test("a revert to what is in force says that nothing changed", async () => {
  const differences = [[{ field: "enabled", from: true, to: false }], []];
  const { url, asked } = await api(({ method }) => ({
    body: { data: method === "GET" ? { differences: differences.shift() ?? null } : { ref: "a.b" } },
  }));
  const connection = { ATTUNE_API_URL: url, ATTUNE_API_TOKEN: "t" };

  const first = await agent(["rules", "revert", "a.b", "7"], connection);
  const again = await agent(["rules", "revert", "a.b", "7"], connection);

  expect(first.stdout).toBe("rule a.b: as in version 7 again\n");
  expect(again.stdout).toBe("rule a.b: is already as in version 7, nothing to change\n");
  expect(asked.slice(0, 2).map(({ method, url: path }) => `${method} ${path}`)).toEqual([
    "GET /api/v1/rules/a.b/history/diff?from=7",
    "POST /api/v1/rules/a.b/revert",
  ]);
});

test("bash completes commands, and options of the command before the cursor", async () => {
  const { stdout: script } = await agent(["completion", "bash"]);
  const complete = async (...words: readonly string[]): Promise<string> => {
    const lines = [
      script,
      `COMP_WORDS=(${["attune-sensor-agent", ...words].map((word) => `'${word}'`).join(" ")})`,
      `COMP_CWORD=${words.length}`,
      "_attune_sensor_agent",
      'printf "%s " "${COMPREPLY[@]}"',
    ];
    const { stdout } = await promisify(execFile)("bash", ["-c", lines.join("\n")]);
    return stdout.trim();
  };

  expect(await complete("sens")).toBe("sensors");
  expect(await complete("sensors", "re")).toBe("restart");
  expect(await complete("--config", "x.yaml", "sensors", "list", "--tr")).toBe("--trigger");
});

test("verify says how many contradictions are left, and what to do about them", async () => {
  const found = (repaired: number) => ({
    kind: "key_without_event",
    meaning: "dedup keys of events that do not exist",
    count: 23,
    repaired,
    examples: ['key "a" of garden.reading: event 7'],
    remedy: repaired === 23 ? null : "delete the key",
  });
  const run = async (repaired: number, ...options: readonly string[]) => {
    const checked = { events: 1, enforcements: 2, messages: 0, checkpoints: 0, keys: 23 };
    const done = { checked, unprovable_events: 1, violations: 23, repaired, found: [found(repaired)] };
    const { url } = await api(() => ({ body: `${JSON.stringify({ done })}\n` }));
    return await agent(["verify", "--api", url, ...options], { ATTUNE_API_TOKEN: "t" });
  };
  const body = `verified 1 event, 2 enforcements, 0 waiting messages, 0 checkpoints and 23 dedup keys
the enforcements of 1 event cannot be proved: the rules of the time are not known
23 dedup keys of events that do not exist:
  key "a" of garden.reading: event 7
  and 22 more
`;

  expect(await run(0)).toMatchObject({
    code: 1,
    stdout: `23 contradictions\n${body}  to do: delete the key\n`,
  });
  expect(await run(3, "--repair")).toMatchObject({
    code: 1,
    stdout: `23 contradictions: 3 repaired, 20 left\n${body}  to do: delete the key\ndocs/verify.md has the statements for what is left\n`,
  });
  expect(await run(23, "--repair")).toMatchObject({
    code: 0,
    stdout: `23 contradictions: 23 repaired, 0 left\n${body}`,
  });
});

test("rules test says whether a stored rule matches a stored event, and why not", async () => {
  const rule = {
    id: 7,
    ref: "garden.hot",
    trigger_ref: "garden.reading",
    action_ref: "garden.note",
    enabled: true,
    conditions: [{ field: "celsius", operator: "greater_than", value: 30 }],
    trigger_params: {},
    action_params: { text: "{{ event.payload.celsius }} degrees" },
  };
  const events: Readonly<Record<string, unknown>> = {
    "/api/v1/events/1": { id: 1, trigger_ref: "garden.reading", rule_ref: null, payload: { celsius: "31" } },
    "/api/v1/events/2": { id: 2, trigger_ref: "garden.reading", rule_ref: null, payload: { celsius: 31 } },
    "/api/v1/events/3": { id: 3, trigger_ref: "garden.reading", rule_ref: "garden.cold", payload: {} },
  };
  const { url } = await api(({ url: path = "" }) => ({ body: { data: events[path] ?? rule } }));
  const run = (...args: string[]) =>
    agent(["rules", "test", "garden.hot", "--api", url, ...args], { ATTUNE_API_TOKEN: "t" });

  expect(await run("--event", "1")).toMatchObject({
    code: 1,
    stdout: `garden.hot does not match: conditions[0]: \`celsius\` is the text "31", which is never greater than the number 30 (the sensor sends the number as text; let it send a number)
it would match if \`celsius\` were a number above 30
`,
  });
  expect(await run("--event", "2")).toMatchObject({
    code: 0,
    stdout: 'garden.hot matches\nparameters: {\n  "text": "31 degrees"\n}\n',
  });
  expect((await run("--event", "3")).stdout).toBe(
    "garden.hot does not match: the event is for the rule garden.cold only\n",
  );
  const { stdout } = await run("--event", '{"celsius": 12345678901234567890}', "--format", "json");
  expect(JSON.parse(stdout)).toMatchObject({
    matches: true,
    parameters: { text: "12345678901234567890 degrees" },
  });
});

test("rules test reads a rule's file without an agent, and refuses what is no event", async () => {
  const file = join(repositoryRoot, "packs/httpcheck/rules/slow.yaml");
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-events-"));
  const sparse = join(folder.path, "sparse.json");
  await writeFile(sparse, "");
  await truncate(sparse, 600_000_000);

  const missed = await agent([
    "rules",
    "test",
    file,
    "--event",
    '{"up": true, "duration": 900}',
    "--format",
    "json",
  ]);
  expect(missed.code).toBe(1);
  expect(JSON.parse(missed.stdout)).toMatchObject({
    rule: "httpcheck.slow",
    verdict: "unmatched",
    would_match_if: "`up` were false",
    failures: [
      { place: "conditions.any[0]", seen: true, expected: false },
      { place: "conditions.any[1]", path: ["duration_ms"], hint: "did you mean `duration`?" },
    ],
  });
  const whole = '{"trigger_ref": "httpcheck.other", "payload": {"up": false}}';
  expect((await agent(["rules", "test", file, "--event", whole])).stdout).toBe(
    "httpcheck.slow does not match: it is a rule for the trigger httpcheck.checked, and the event has the trigger httpcheck.other\n",
  );
  const stored = await agent(["rules", "test", "httpcheck.slow", "--event", "[1]"]);
  expect(stored.stderr).toContain("it is not a JSON object; give JSON like");
  for (const [event, reason] of [
    ["nowhere.json", "there is no file nowhere.json; give JSON like"],
    ["{up: false}", "it is not JSON: "],
    ["[1]", "it is not a JSON object; give JSON like"],
    [file, `${file} is not JSON: `],
    [repositoryRoot, `${repositoryRoot} is a folder; give JSON like`],
    ["", "could not read the event: it is empty; give JSON like"],
    [sparse, `${sparse} has 600000000 bytes, and an event in a file at most 67108864; give JSON like`],
  ] as const) {
    const { code, stderr } = await agent(["rules", "test", file, "--event", event]);
    expect(code).toBe(1);
    expect(stderr).toContain(reason);
  }
  const marked = join(folder.path, "marked.json");
  await writeFile(marked, '\uFEFF{"up": false}');
  expect((await agent(["rules", "test", file, "--event", marked])).stdout).toMatch(
    /^httpcheck\.slow matches\n/,
  );
  const missing = await agent(["rules", "test", "rules/nowhere.yaml", "--event", "{}"]);
  expect(missing.stderr).toContain("could not read the rule in rules/nowhere.yaml: it does not exist");
  const noRule = await agent([
    "rules",
    "test",
    join(repositoryRoot, "packs/httpcheck/pack.yaml"),
    "--event",
    "{}",
  ]);
  expect(noRule.stderr).toContain(
    "could not read the rule in " +
      join(
        repositoryRoot,
        "packs/httpcheck/pack.yaml: it is not a rule's file in the folder rules of a pack;",
      ),
  );
  for (const [rule, reason] of [
    [join(repositoryRoot, "packs/httpcheck"), "it is not a YAML file;"],
    ["-", "could not read the rule -: standard input is not read, because a rule needs its pack's folder"],
  ] as const) {
    const refused = await agent(["rules", "test", rule, "--event", "{}"]);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(reason) as string });
  }
  const remarked = await agent(["rules", "test", file, "--event", '{"up": false, "checkpoint": 5}']);
  expect(remarked).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/^note on the event: it has "checkpoint" beside keys/) as string,
  });
});
