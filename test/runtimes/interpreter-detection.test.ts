import { chmodSync, linkSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { cwd } from "node:process";
import { describe, expect, test } from "vitest";
import { runTogether } from "../../src/processes/run-together.ts";
import { concurrentCommandsMax } from "../../src/runtimes/concurrent-commands.ts";
import { detectInterpreters, type RunVersionCommands } from "../../src/runtimes/interpreter-detection.ts";
import { runVersionCommands } from "../../src/runtimes/version-commands.ts";
import { programDirectory, type ProgramDirectory } from "../support/program-directory.ts";

const runners: readonly (readonly [string, RunVersionCommands])[] = [
  ["in a service", runVersionCommands()],
  ["for nothing but the report", async (commands) => runTogether(commands, concurrentCommandsMax)],
];

describe.each(runners)("%s", (_, run) => {
  const detected = (programs: ProgramDirectory): ReturnType<typeof detectInterpreters> =>
    detectInterpreters({
      environment: { PATH: programs.path },
      ownExecutable: null,
      timeoutMs: 500,
      run,
    });

  test("the interpreters of a PATH are reported in the documented order with path and version", async () => {
    const programs = programDirectory();
    programs.script("perl", `echo "This is perl 5, version 36, subversion 0 (v5.36.0)"`);
    programs.script("java", `[ "$1" = -version ] && echo 'openjdk version "17.0.2" 2022-01-18' >&2`);
    programs.script("go", `[ "$1" = version ] && echo "go version go1.22.3 linux/amd64"`);
    programs.script("ruby", `echo "ruby 3.1.2p20"`);
    programs.script("Rscript", `echo "Rscript (R) version 4.2.2"`);
    programs.script("node", `echo v20.1.0`);
    programs.script("python3", `echo Python 3.11.2`);
    programs.script("bash", `echo "GNU bash, version 5.2.15(1)-release"`);

    expect(await detected(programs)).toEqual([
      { name: "shell", path: join(programs.path, "bash"), version: "5.2.15" },
      { name: "python", path: join(programs.path, "python3"), version: "3.11.2" },
      { name: "node", path: join(programs.path, "node"), version: "20.1.0" },
      { name: "ruby", path: join(programs.path, "ruby"), version: "3.1.2" },
      { name: "go", path: join(programs.path, "go"), version: "1.22.3" },
      { name: "java", path: join(programs.path, "java"), version: "17.0.2" },
      { name: "r", path: join(programs.path, "Rscript"), version: "4.2.2" },
      { name: "perl", path: join(programs.path, "perl"), version: "5.36.0" },
    ]);
  });

  test("the first binary of a row wins, and the next is taken where it is absent", async () => {
    const programs = programDirectory();
    programs.script("python", "echo Python 2.7.18 >&2");
    programs.script("nodejs", "echo v18.0.0");
    programs.script("bash", "echo 5.2.15");
    programs.script("sh", "echo 0.5");

    expect((await detected(programs)).map(({ path }) => path)).toEqual(
      ["bash", "python", "nodejs"].map((name) => join(programs.path, name)),
    );
  });

  test("directories earlier in PATH win, and relative and missing ones are passed over", async () => {
    const [first, second] = [programDirectory(), programDirectory()];
    first.script("ruby", "echo 3.2.0");
    second.script("ruby", "echo 3.1.0");

    const found = await detectInterpreters({
      environment: { PATH: `${relative(cwd(), second.path)}:/nonexistent::${first.path}:${second.path}` },
      ownExecutable: null,
      run,
    });

    expect(found).toEqual([{ name: "ruby", path: join(first.path, "ruby"), version: "3.2.0" }]);
  });

  test("a file that cannot be run does not hide later ones in PATH", async () => {
    const [first, second] = [programDirectory(), programDirectory()];
    first.directory("python3");
    first.script("node", "echo v20.0.0", 0o644);
    first.link("ruby", "/nonexistent/ruby");
    const later = ["python3", "node", "ruby"].map((name) => second.script(name, "echo 1.0"));

    const found = await detectInterpreters({
      environment: { PATH: `${first.path}:${second.path}` },
      ownExecutable: null,
      run,
    });

    expect(found.map(({ path }) => path)).toEqual(later);
  });

  test.each([
    ["hangs", "exec /bin/sleep 60"],
    ["hangs and ignores being asked to end", "trap '' TERM; while :; do :; done"],
    ["forks something that holds its output", "/bin/sleep 60 & exit 0"],
    ["prints nothing", "exit 0"],
    ["exits with 1", "echo 1.2.3; exit 1"],
    ["prints without end", "while :; do echo yes yes yes; done"],
    ["prints bytes that are no text", String.raw`printf '\377\376\000'`],
  ])("an interpreter whose version command %s is reported, version unknown", async (_behaviour, body) => {
    const programs = programDirectory();
    const path = programs.script("ruby", body);
    const started = performance.now();

    expect(await detected(programs)).toEqual([{ name: "ruby", path, version: null }]);
    expect(performance.now() - started).toBeLessThan(40_000);
  });

  test("a file that cannot be started is not an interpreter", async () => {
    const programs = programDirectory();
    programs.directory("python3");
    programs.script("node", "echo v20.0.0", 0o644);
    programs.link("ruby", "/nonexistent/ruby");
    const alien = join(programs.path, "perl");
    writeFileSync(alien, "#!/nonexistent/interpreter\n");
    chmodSync(alien, 0o755);

    expect(await detected(programs)).toEqual([]);
  });

  test("the agent never takes itself for an interpreter, under whatever name it is linked", async () => {
    const programs = programDirectory();
    const agent = programs.script("attune-sensor-agent", "echo v26.10.0");
    programs.link("node", agent);
    linkSync(agent, join(programs.path, "nodejs"));

    const found = await detectInterpreters({
      environment: { PATH: programs.path },
      ownExecutable: agent,
      run,
    });

    expect(found).toEqual([]);
  });

  test("a version command sees none of the agent's secrets", async () => {
    const programs = programDirectory();
    programs.script("ruby", `echo "1.\${#DATABASE_URL}.\${#ATTUNE__SECURITY__JWT_SECRET} \${#HOME}"`);

    const [ruby] = await detectInterpreters({
      environment: {
        PATH: programs.path,
        HOME: "/root",
        DATABASE_URL: "postgresql://user:secret@db/attune",
        ATTUNE__SECURITY__JWT_SECRET: "secret",
      },
      ownExecutable: null,
      run,
    });

    expect(ruby?.version).toBe("1.0.0");
  });

  test("without PATH nothing is found", async () => {
    expect(await detectInterpreters({ environment: {}, ownExecutable: null, run })).toEqual([]);
  });
});

test("an aborted search waits for no answer and starts no further command", async () => {
  const programs = programDirectory();
  const asked = (name: string): string =>
    `echo ${name} >> ${join(programs.path, "asked")}; exec /bin/sleep 60`;
  for (const name of ["bash", "python3", "node", "ruby", "go", "java", "Rscript", "perl"]) {
    programs.script(name, asked(name));
  }
  const stop = new AbortController();
  const search = detectInterpreters({
    environment: { PATH: programs.path },
    ownExecutable: null,
    timeoutMs: 60_000,
    run: runVersionCommands({ signal: stop.signal }),
  });
  const asking = (): readonly string[] =>
    readFileSync(join(programs.path, "asked"), { encoding: "utf8", flag: "a+" }).split("\n").filter(Boolean);
  await expect.poll(asking).toHaveLength(concurrentCommandsMax);

  stop.abort();

  await search;
  expect(asking()).toHaveLength(concurrentCommandsMax);
});
