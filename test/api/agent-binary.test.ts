/** Handing out the agent's executable, over real HTTP and from real files. */
import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtempDisposable, rename, writeFile, type FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createHttpServer } from "../../src/api/http-server.ts";
import { addAgentRoutes } from "../../src/api/routes/agent-binary.ts";
import type { Platform } from "../../src/api/resource-routes.ts";
import { startApi } from "../../src/api/server.ts";
import { agentArchitecture } from "../../src/model/agent-architecture.ts";
import { agentDownloads } from "../../src/service/download-parts.ts";
import type { SensorServiceOptions } from "../../src/service/service-context.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";

const token = "a-token-for-downloads-of-the-executable";
const own = agentArchitecture(process.arch) ?? "x86_64";
const other = own === "x86_64" ? "aarch64" : "x86_64";

async function serve(isConfigured = true) {
  const folder = await mkdtempDisposable(join(tmpdir(), "attune-binaries-"));
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const agent = isConfigured ? { binary_dir: folder.path, binary_token: token } : {};
  const downloads = agentDownloads({
    config: { agent } as SensorServiceOptions["config"],
    agentVersion: "1.2.3",
  });
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    logger: silentLogger,
    // No other route is asked.
    platform: { authenticate: async () => undefined, resources: {}, downloads } as unknown as Platform,
  });
  onTestFinished(() => api[Symbol.asyncDispose]());
  const ask = (path: string, headers: Record<string, string> = { "x-agent-token": token }, method = "GET") =>
    fetch(`${api.address}/api/v1/agent/${path}`, { method, headers });
  return { folder: folder.path, ask };
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

test("the executable comes as it is, with its hash and size, under each name of its architecture", async () => {
  const { folder, ask } = await serve();
  const ours = randomBytes(1_000_000);
  const theirs = randomBytes(300_000);
  await writeFile(join(folder, "attune-sensor-agent"), ours);
  await writeFile(join(folder, `attune-sensor-agent-${other}`), theirs);
  const alias = other === "aarch64" ? "arm64" : "amd64";

  for (const [path, bytes] of [
    ["binary", ours],
    [`binary?arch=${own}`, ours],
    [`binary?arch=${other}`, theirs],
    [`binary?arch=${alias}`, theirs],
  ] as const) {
    const response = await ask(path);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(`${bytes.length}`);
    expect(response.headers.get("etag")).toBe(`"${sha256(bytes)}"`);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(bytes));
  }
  const info = await (await ask("info", {})).json();
  expect(info).toEqual({
    data: {
      version: "1.2.3",
      architecture: own,
      binaries: expect.arrayContaining([
        { architecture: own, size: ours.length, sha256: sha256(ours) },
        { architecture: other, size: theirs.length, sha256: sha256(theirs) },
      ]),
    },
  });
});

test("HEAD and a known ETag cost no download", async () => {
  const { folder, ask } = await serve();
  const bytes = randomBytes(100_000);
  await writeFile(join(folder, "attune-sensor-agent"), bytes);

  const head = await ask("binary", undefined, "HEAD");
  const etag = head.headers.get("etag") ?? "";
  const known = await ask("binary", { "x-agent-token": token, "if-none-match": etag });

  expect([head.status, head.headers.get("content-length"), (await head.arrayBuffer()).byteLength]).toEqual([
    200,
    "100000",
    0,
  ]);
  expect([known.status, (await known.arrayBuffer()).byteLength]).toEqual([304, 0]);
});

test("a file that is replaced is described anew", async () => {
  const { folder, ask } = await serve();
  const file = join(folder, "attune-sensor-agent");
  await writeFile(file, "before");
  expect((await ask("binary")).headers.get("etag")).toBe(`"${sha256(Buffer.from("before"))}"`);

  await writeFile(`${file}.new`, "behind");
  await rename(`${file}.new`, file);

  const response = await ask("binary");
  expect(response.headers.get("etag")).toBe(`"${sha256(Buffer.from("behind"))}"`);
  expect(await response.text()).toBe("behind");
});

test("without the right token nothing is handed out", async () => {
  const { folder, ask } = await serve();
  await writeFile(join(folder, "attune-sensor-agent"), "bytes");

  for (const headers of [
    {},
    { "x-agent-token": "" },
    { "x-agent-token": token.slice(1) },
    { "x-agent-token": `${token}x` },
    { authorization: `Bearer ${token}` },
  ]) {
    const response = await ask("binary", headers);
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain(token);
  }
});

test("nothing but executables of the agent can be asked for", async () => {
  const { folder, ask } = await serve();
  await writeFile(join(folder, "secret"), "secret");
  await mkdir(join(folder, `attune-sensor-agent-${other}`));

  for (const [arch, status] of [
    [own, 404],
    [other, 404],
    ["../secret", 422],
    ["..%2fsecret", 422],
    ["x86_64%00", 422],
    ["__proto__", 422],
    ["", 422],
  ] as const) {
    expect([arch, (await ask(`binary?arch=${arch}`)).status]).toEqual([arch, status]);
  }
});

test("unless it is set up, the binary is refused with the settings that are missing", async () => {
  const { ask } = await serve(false);

  const response = await ask("binary");

  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    code: "UNAVAILABLE",
    error: expect.stringContaining("agent.binary_dir"),
  });
  expect(await (await ask("info", {})).json()).toMatchObject({ data: { version: "1.2.3", binaries: [] } });
});

test("clients that leave in the middle leave room for others", async () => {
  const { folder, ask } = await serve();
  await writeFile(join(folder, "attune-sensor-agent"), Buffer.alloc(50_000_000));

  for (let round = 0; round < 3; round += 1) {
    const responses = await Promise.all(Array.from({ length: 16 }, () => ask("binary")));
    expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200));
    expect((await ask("binary")).status).toBe(429);
    for (const response of responses) await response.body?.cancel();
    const status = async (): Promise<number> => (await ask("binary", undefined, "HEAD")).status;
    await expect.poll(status).toBe(200);
  }
});

// Method: the hashing of every file is held, as that of a large one for the first download.
test("downloads count while their files are hashed, and clients that leave meanwhile close theirs", async () => {
  const hashed = Promise.withResolvers<void>();
  let hashing = 0;
  let open = 0;
  const server = await createHttpServer({
    certificate: undefined,
    isTrustedProxy: () => false,
    logger: silentLogger,
  });
  onTestFinished(() => server.close());
  addAgentRoutes(server, {
    version: "1.2.3",
    architecture: own,
    binaries: {
      token,
      describe: async () => undefined,
      async open(architecture) {
        hashing += 1;
        await hashed.promise;
        open += 1;
        const dispose = async (): Promise<void> => void (open -= 1);
        return {
          architecture,
          sizeBytes: 1,
          sha256: "",
          handle: {} as FileHandle,
          [Symbol.asyncDispose]: dispose,
        };
      },
    },
  });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  const leaving = new AbortController();
  const ask = (method = "GET") =>
    fetch(`${address}/agent/binary`, { method, headers: { "x-agent-token": token }, signal: leaving.signal });
  const clients = Array.from({ length: 16 }, () => ask("HEAD").catch(() => "left"));
  await expect.poll(() => hashing).toBe(16);

  const refused = await ask();
  leaving.abort();
  await Promise.all(clients);
  hashed.resolve();

  expect(refused.status).toBe(429);
  await expect.poll(() => open).toBe(0);
});
