/**
 * Checks whether the kernel can execute a file: a binary, or a script with a shebang line. execvp(3) silently
 * passes other files to a shell, and for a script with Windows line endings the kernel reports only that
 * something does not exist.
 */
import { open } from "node:fs/promises";

/** How much of the first line the kernel reads (BINPRM_BUF_SIZE). */
const headBytesMax = 256;

const byteOrderMark = "\xef\xbb\xbf";

/** @returns a clause about why the file cannot be executed and what to do; undefined if it can */
export async function programProblem(path: string): Promise<string | undefined> {
  const head = await headOf(path);
  if (head.startsWith("\x7fELF")) return undefined;
  if (head.startsWith(`${byteOrderMark}#!`)) {
    return "begins with a byte order mark, which hides its #! line from the kernel: save it as UTF-8 without BOM";
  }
  if (!head.startsWith("#!")) {
    return "is neither a binary nor a script with a first line like #!/bin/sh";
  }
  const [line = ""] = head.slice("#!".length).split("\n");
  const [interpreter = ""] = line.trim().split(/\s/);
  if (line.endsWith("\r")) {
    return (
      `has Windows line endings: the carriage return at the end of its first line becomes part of ` +
      `the interpreter's name, and no such program exists; ${windowsLineEndsRemedy(path)}`
    );
  }
  if (!interpreter.startsWith("/")) {
    const named = interpreter === "" ? "names no program" : `names ${interpreter} without its path`;
    return `has a first line that ${named}: write for example #!/usr/bin/env ${interpreter === "" ? "python3" : interpreter}`;
  }
  return undefined;
}

/** Checks only the first line, because editors and version control convert whole files. */
export async function hasWindowsLineEnds(path: string): Promise<boolean> {
  return /^[^\n]*\r\n/.test(await headOf(path));
}

export function windowsLineEndsRemedy(path: string): string {
  return `convert it, for example with: sed -i 's/\\r$//' ${path}`;
}

async function headOf(path: string): Promise<string> {
  await using file = await open(path);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytesMax), 0, headBytesMax, 0);
  return buffer.toString("latin1", 0, bytesRead);
}
