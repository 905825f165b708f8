import { spawn } from "node:child_process";
import { mkdtempDisposable, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { runCommandLine } from "../../src/agent/cli.ts";

async function packs(...args: readonly string[]) {
  let output = "";
  const print = (text: string): void => void (output += text);
  const code = await runCommandLine({
    args: ["packs", ...args],
    environment: { ATTUNE_CONFIG: "/nonexistent/config.yaml" },
    ignoresHangup: false,
    hasReader: () => true,
    print,
    complain: print,
  });
  return { code, output };
}

const interpreters = { python: "python3", node: process.execPath, shell: "sh" } as const;
const scripts = { python: "thermometer.py", node: "thermometer.mjs", shell: "thermometer.sh" } as const;

test.each(["python", "node", "shell"] as const)(
  "a new pack in %s is valid, passes its own test, and its sensor prints events",
  async (language) => {
    await using parent = await mkdtempDisposable(join(tmpdir(), "attune-new-pack-"));
    const directory = join(parent.path, "garden");

    expect(await packs("new", directory, "--language", language)).toMatchObject({ code: 0 });

    expect(await packs("check", directory)).toMatchObject({
      code: 0,
      output: expect.stringMatching(
        /^must be in the database: runtime core\.sensor\.\w+\n1 pack read, 0 problems, 0 warnings\n$/,
      ),
    });
    expect(await packs("test", directory)).toEqual({ code: 0, output: "2 passed, 0 failed\n" });
    const line = await firstLine(interpreters[language], join(directory, "sensors", scripts[language]));
    expect(JSON.parse(line)).toEqual({ celsius: expect.any(Number) });
  },
);

test("with --format json what was made is JSON", async () => {
  await using parent = await mkdtempDisposable(join(tmpdir(), "attune-new-pack-"));
  const directory = join(parent.path, "garden");

  const made = await packs("new", directory, "--format", "json");
  const written = await packs("schemas", directory, "--format", "json");

  expect(JSON.parse(made.output)).toEqual({ pack: "garden", directory });
  expect(JSON.parse(written.output)).toEqual({ schemas: join(directory, "schemas") });
});

test("a folder with content, and a name that is no ref, are refused without a change", async () => {
  await using parent = await mkdtempDisposable(join(tmpdir(), "attune-new-pack-"));
  await writeFile(join(parent.path, "mine.txt"), "");

  expect(await packs("new", parent.path)).toMatchObject({
    code: 1,
    output: expect.stringContaining(
      "the folder has content already; choose a new folder; nothing was changed",
    ),
  });
  expect(await packs("new", join(parent.path, "my pack"))).toMatchObject({
    code: 1,
    output: expect.stringContaining("my pack cannot be a pack's ref"),
  });
  expect(await packs("new", join(parent.path, "mine.txt", "inside"))).toMatchObject({ code: 1 });
  expect(await packs("new", import.meta.filename)).toMatchObject({ code: 1 });
});

test("packs schemas writes the schemas into an existing pack", async () => {
  await using parent = await mkdtempDisposable(join(tmpdir(), "attune-new-pack-"));

  expect(await packs("schemas", parent.path)).toEqual({
    code: 0,
    output: `${join(parent.path, "schemas")} has the schemas of pack files\n`,
  });
});

test("packs schemas makes no folder, and writes into nothing but a folder", async () => {
  await using parent = await mkdtempDisposable(join(tmpdir(), "attune-new-pack-"));
  const absent = join(parent.path, "absent");

  expect(await packs("schemas", absent)).toEqual({
    code: 1,
    output: `attune-sensor-agent: could not write schemas into ${absent}: it does not exist; give the folder of a pack [PACK_INVALID]\n`,
  });
  expect(await packs("schemas", import.meta.filename)).toMatchObject({
    code: 1,
    output: expect.stringContaining(": it is not a folder; give the folder of a pack"),
  });
  expect(await readdir(parent.path)).toEqual([]);
});

/** The first line that a program prints; the program is then ended. */
async function firstLine(command: string, script: string): Promise<string> {
  const env = {
    ...process.env,
    ATTUNE_SENSOR_CONFIG_JSON: '{"seconds":1}',
    ATTUNE_SENSOR_CONFIG_SECONDS: "1",
  };
  const child = spawn(command, [script], { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    for await (const line of createInterface({ input: child.stdout })) return line;
    throw new Error("it printed nothing");
  } finally {
    child.kill("SIGKILL");
  }
}
