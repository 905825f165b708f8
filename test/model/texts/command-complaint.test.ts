import * as fc from "fast-check";
import { expect, test } from "vitest";
import { complaintIn } from "../../../src/model/texts/command-complaint.ts";

const silent = { stdout: "", stderr: "" };

test("pip's errors are quoted, but not its notice of a newer version", () => {
  const stderr = [
    "ERROR: Could not find a version that satisfies the requirement absent==1 (from versions: none)",
    "ERROR: No matching distribution found for absent==1",
    "",
    "\u001b[1m[\u001b[0m\u001b[34;49mnotice\u001b[0m\u001b[1;39;49m]\u001b[0m A new release of pip is available: 23.2.1 -> 24.0",
    "[notice] To update, run: python3 -m pip install --upgrade pip",
  ].join("\n");

  expect(complaintIn({ ...silent, stderr })).toBe(
    "ERROR: Could not find a version that satisfies the requirement absent==1 (from versions: none); " +
      "ERROR: No matching distribution found for absent==1",
  );
});

test("a network that pip cannot reach is reported once, with the consequence", () => {
  const retry = (total: number): string =>
    `WARNING: Retrying (Retry(total=${total}, connect=None)) after connection broken by ` +
    `'NewConnectionError('<pip.connection object at 0x7f0a${total}c>: Failed to establish a new connection: ` +
    `[Errno -3] Temporary failure in name resolution')': /simple/absent/`;
  const stderr = [
    ...[4, 3, 2, 1, 0].map(retry),
    "ERROR: Could not find a version that satisfies the requirement absent (from versions: none)",
    "ERROR: No matching distribution found for absent",
  ].join("\n");

  const told = complaintIn({ ...silent, stderr });

  expect(told.match(/Temporary failure in name resolution/g)).toHaveLength(1);
  expect(told).toContain("No matching distribution found");
});

test("of a build that fails in pip, the end of the traceback is quoted", () => {
  const stderr = [
    "  error: subprocess-exited-with-error",
    "  × Getting requirements to build wheel did not run successfully.",
    "  ╰─> [3 lines of output]",
    "      Traceback (most recent call last):",
    '        File "setup.py", line 1, in <module>',
    "      ImportError: libfoo is missing",
    "      [end of output]",
    "  note: This error originates from a subprocess, and is likely not a problem with pip.",
  ].join("\n");

  expect(complaintIn({ ...silent, stderr })).toBe(
    "error: subprocess-exited-with-error; ImportError: libfoo is missing",
  );
});

test("npm's code and reason are quoted, but not the path of its log", () => {
  const stderr = [
    "npm error code ENOTCACHED",
    "npm error request to https://packages.example/absent failed: no cached response is available.",
    "npm error A complete log of this run can be found in: /root/.npm/_logs/x-debug-0.log",
    "npm notice New major version of npm available!",
  ].join("\n");

  expect(complaintIn({ ...silent, stderr })).toBe(
    "npm error code ENOTCACHED; " +
      "npm error request to https://packages.example/absent failed: no cached response is available.",
  );
});

test("a complaint in several lines on stdout is quoted as one sentence", () => {
  const stdout = [
    "The virtual environment was not created successfully because ensurepip is not",
    "available.  On Debian/Ubuntu systems, you need to install the python3-venv",
    "package using the following command.",
    "",
    "    apt install python3.11-venv",
    "",
    "You may need to use sudo with that command.  After installing the python3-venv",
    "package, recreate your virtual environment.",
    "",
    "Failing command: /srv/envs/garden/python/bin/python3",
    "",
  ].join("\n");

  expect(complaintIn({ ...silent, stdout })).toContain("apt install python3.11-venv");
  expect(complaintIn({ ...silent, stdout })).toMatch(/^The virtual environment was not created/);
});

test("whatever a command prints, its complaint is one line of bounded length", () => {
  const output = fc.array(fc.oneof(fc.string(), fc.constant("error: again"), fc.constant("\r")));
  fc.assert(
    fc.property(output, output, fc.nat(400), (stderr, stdout, repetitions) => {
      const told = complaintIn({ stdout: stdout.join("\n"), stderr: stderr.join("\n").repeat(repetitions) });

      expect(told.length).toBeLessThanOrEqual(700);
      expect(told).not.toMatch(/[\r\n]/);
    }),
    { numRuns: 50 },
  );
});
