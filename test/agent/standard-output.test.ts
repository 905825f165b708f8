/** Reports of the agent as a process, on outputs of every kind. */
import { spawn, spawnSync } from "node:child_process";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";

const main = `${repositoryRoot}/src/main.ts`;

test.each([["--version"], ["--help"], ["--detect-only"]])("%s on a full disk fails in one line", (call) => {
  const { status, stderr } = shell(`"$0" "$1" ${call} > /dev/full`);

  expect(stderr).toMatch(
    /^attune-sensor-agent: could not write to standard output: ENOSPC.*; free space on its volume, or redirect it elsewhere \[OUTPUT_FAILED\]\n$/,
  );
  expect(status).toBe(1);
});

test("a reader that closes the pipe early is not a failure", () => {
  const { status, stderr } = shell(`set -o pipefail; "$0" "$1" --help | true`);

  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

// Goal: nothing is lost on a pipe that is full and does not block.
// Method: the pipe is made so by its other user, Python; the report is longer than it holds.
test("a slow reader of a pipe that does not block gets all of it", async () => {
  const program = `
    import array, fcntl, os, subprocess, sys, termios, time
    read, write = os.pipe()
    os.set_blocking(write, False)
    agent = subprocess.Popen(sys.argv[1:], stdout=write)
    os.close(write)
    capacity = fcntl.fcntl(read, fcntl.F_GETPIPE_SZ)
    waiting = array.array("i", [0])
    while waiting[0] < capacity and agent.poll() is None:
        time.sleep(0.01)
        fcntl.ioctl(read, termios.FIONREAD, waiting)
    total = 0
    while chunk := os.read(read, 65536):
        total += len(chunk)
    print(total, agent.wait())`;
  const script = `import { writeToStandardOutput } from ${JSON.stringify(`${repositoryRoot}/src/agent/standard-output.ts`)};
    writeToStandardOutput("x".repeat(1_000_000));`;
  const args = [process.execPath, "--input-type=module", "--eval", script];
  const child = spawn("python3", ["-c", program.replaceAll("\n    ", "\n"), ...args], {
    timeout: 20_000,
    killSignal: "SIGKILL",
  });

  expect(await text(child.stdout)).toBe("1000000 0\n");
});

function shell(command: string): { status: number | null; stderr: string } {
  const { status, stderr } = spawnSync("bash", ["--norc", "-c", command, process.execPath, main], {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin" },
  });
  return { status, stderr };
}
