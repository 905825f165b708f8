/** The duties of process 1, see build/packing/stub/init.c. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packProbe, type PackedProbe, process1Arguments, run, runAsProcess1 } from "./packed-probe.ts";

let packed: PackedProbe;
beforeAll(async () => {
  packed = await packProbe("fixed");
});
afterAll(async () => packed[Symbol.asyncDispose]());

test("process 1 stays behind as init, and the program is its child", async () => {
  const { stdout } = await runAsProcess1(packed, ["/probe", "processes"]);

  expect(stdout).toBe("2 child of 1\n");
});

test("process 1 is recognisable by its name", async () => {
  await using process1 = await startAwaiting([]);

  await expect.poll(() => readFileSync(`/proc/${process1.pid}/comm`, "utf8")).toBe("attune-init\n");
});

test("elsewhere there is no second process", async () => {
  const { stdout } = await run(packed.probe, ["processes"]);

  expect(stdout).toContain(`child of ${process.pid}\n`);
});

test("the program's exit code is process 1's", async () => {
  expect((await runAsProcess1(packed, ["/probe", "exit", "42"])).code).toBe(42);
});

test("a program that ended by a signal is reported as 128 plus the signal's number", async () => {
  expect((await runAsProcess1(packed, ["/probe", "die", "6"])).code).toBe(134);
});

test("orphans are waited for", async () => {
  const { stdout } = await runAsProcess1(packed, ["/probe", "orphans"]);

  expect(stdout).toBe("0 zombies\n");
});

test("the program's end is noticed even where the ends of children are ignored", async () => {
  const { code } = await runAsProcess1(packed, ["/confine", "children-ignored", "/probe", "exit", "42"]);

  expect(code).toBe(42);
});

test("a signal that came before the program existed reaches it", async () => {
  const { code, stdout } = await runAsProcess1(packed, [
    "/confine",
    "termination-pending",
    "/probe",
    "await",
  ]);

  expect({ code, stdout }).toEqual({ code: 15, stdout: "ready\n1 times 15\n" });
});

test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2", "SIGTSTP", "SIGWINCH"] as const)(
  "%s is forwarded, once",
  async (signal) => {
    await using process1 = await startAwaiting([]);

    process.kill(process1.pid, signal);

    expect(await process1.output).toMatch(/^1 times/);
  },
);

test("the program leads the terminal's foreground group, in which process 1 is not", async () => {
  const unshare = ["/usr/bin/unshare", ...process1Arguments(packed), "/probe", "group"];
  const { stdout } = await run("/usr/bin/script", ["--quiet", "--command", unshare.join(" "), "/dev/null"]);

  expect(stdout.trim()).toBe("foreground");
});

// Goal: Ctrl-C means one SIGINT, since a second one means "at once".
// Method: the program's terminal is a real one, and the character is typed into it.
test("Ctrl-C reaches the program once", async () => {
  await using process1 = await startAwaiting(["terminal"]);

  process1.type("\x03");

  expect(await process1.output).toContain("1 times 2");
});

interface Awaiting extends AsyncDisposable {
  /** Of process 1, as this namespace numbers it. */
  readonly pid: number;
  /** What came after "ready". */
  readonly output: Promise<string>;
  type(text: string): void;
}

async function startAwaiting(options: readonly "terminal"[]): Promise<Awaiting> {
  const unshare = ["/usr/bin/unshare", ...process1Arguments(packed), "/probe", "await"];
  const [file = "", ...args] = options.includes("terminal")
    ? ["/usr/bin/script", "--quiet", "--return", "--command", unshare.join(" "), "/dev/null"]
    : unshare;
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "inherit"], detached: true, env: {} });
  const ended = once(child, "exit");
  const lines = createInterface(child.stdout);
  const output: string[] = [];
  const finished = once(lines, "close").then(() => output.slice(1).join("\n"));
  lines.on("line", (line) => output.push(line.trim()));
  await once(lines, "line");
  return {
    pid: childOf(child.pid ?? 0),
    output: finished,
    type: (text) => child.stdin.write(text),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null) process.kill(-(child.pid ?? 0), "SIGKILL");
      await ended;
    },
  };
}

function childOf(pid: number): number {
  const [child = ""] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ");
  return Number(child);
}
