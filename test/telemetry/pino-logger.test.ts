import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { createLogger, wantsColour, type LoggerOptions } from "../../src/telemetry/pino-logger.ts";

async function recorded(options: Partial<LoggerOptions> = {}) {
  let text = "";
  const logger = await createLogger({
    level: "info",
    format: "json",
    secrets: ['top"secret\\value'],
    colour: false,
    writeBytes: (bytes) => {
      text += Buffer.from(bytes).toString();
      return bytes.length;
    },
    ...options,
  });
  return { logger, text: () => text, line: (): unknown => JSON.parse(text) };
}

test("a line is one JSON object with level, time, fields and message", async () => {
  const { logger, line, text } = await recorded();

  logger.child({ worker: "w1" }).info({ sensor: "a.b" }, "sensor started");

  expect(line()).toMatchObject({
    level: "info",
    worker: "w1",
    sensor: "a.b",
    message: "sensor started",
  });
  expect(text()).toMatch(/"time":"\d{4}-\d\d-\d\dT[\d:.]+Z"/);
});

test("lines below the level are not written", async () => {
  const { logger, text } = await recorded({ level: "warn" });

  logger.info({}, "quiet");

  expect(text()).toBe("");
});

test("a changed level also applies to existing loggers", async () => {
  const { logger, text } = await recorded();
  const child = logger.child({ sensor_ref: "a.b" });
  expect(child.isDebugEnabled()).toBe(false);

  child.debug({}, "before");
  logger.level = "debug";
  child.debug({}, "meanwhile");
  expect(child.isDebugEnabled()).toBe(true);
  logger.level = "error";
  child.warn({}, "after");

  expect(text().trim().split("\n")).toEqual([expect.stringContaining("meanwhile")]);
});

test("secrets are in no message, no field, no error and no cause", async () => {
  const { logger, text } = await recorded();
  const secret = 'top"secret\\value';
  const error = new Error(`login ${secret}`, { cause: new Error("amqp://u:pw@mq refused") });

  logger.error({ error, nested: { url: "postgres://u:pw@db/x", value: secret } }, `with ${secret}`);

  expect(text()).not.toContain("secret");
  expect(text()).not.toContain(":pw@");
  expect(text()).toContain("amqp://u:[redacted]@mq refused");
});

test("pretty lines are single lines without JSON, and without colour unless requested", async () => {
  const { logger, text } = await recorded({ format: "pretty" });

  logger.warn({ sensor: "a.b", url: "amqp://u:pw@mq" }, "sensor failed");

  expect(text()).toMatch(
    /^\[[\d:.]+\] WARN: sensor failed \{"sensor":"a\.b","url":"amqp:\/\/u:\[redacted\]@mq"\}\n$/,
  );
  const coloured = await recorded({ format: "pretty", colour: true });
  coloured.logger.warn({}, "sensor failed");
  expect(coloured.text()).toContain("\u001B[");
});

test("no text in a pretty line looks like another line or steers the terminal", async () => {
  const { logger, text } = await recorded({ format: "pretty" });
  const forged = "x\n[12:00:00.000] INFO: \u001b[2J\u009b2J\u202egpj\u2028y";

  logger.warn({ reason: forged, nested: [forged] }, forged);
  logger.error({ error: new Error(forged, { cause: new Error(forged) }) }, "failed");

  const lines = text().split("\n");
  expect(lines.join("")).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_C}]/u);
  expect(lines[0]).toContain(String.raw`WARN: x [12:00:00.000] INFO: \u001b[2J\u009b2J\u202egpj y {`);
  expect(lines.filter((line) => line.startsWith("["))).toEqual([
    lines[0],
    expect.stringMatching(/ ERROR: failed/),
  ]);
});

test("a line that a removed secret left without valid JSON is still written", async () => {
  const { logger, text } = await recorded({ format: "pretty", secrets: ["nopassword"] });

  logger.warn({}, "\nopassword\u009b2J");

  expect(text()).toContain(String.raw`\[redacted]\u009b2J`);
});

test("colour is for terminals, unless NO_COLOR is set", () => {
  expect(wantsColour(true, undefined)).toBe(true);
  expect(wantsColour(true, "")).toBe(true);
  expect(wantsColour(true, "1")).toBe(false);
  expect(wantsColour(false, undefined)).toBe(false);
});

// Goal: a reader that leaves does not take the process with it.
// Method: a real process writes ten thousand lines to a pipe whose other end is closed at once.
test("a process continues when its log is no longer read", async () => {
  const program = `
    import { createLogger } from "${new URL("../../src/telemetry/pino-logger.ts", import.meta.url).href}";
    const logger = await createLogger({ level: "info", format: "json", secrets: [], colour: false });
    for (let n = 0; n < 10_000; n += 1) logger.info({ n }, "line");
    console.log("alive");`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stderr.destroy();
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));

  await once(child, "close");

  expect([child.exitCode, output]).toEqual([0, "alive\n"]);
});
