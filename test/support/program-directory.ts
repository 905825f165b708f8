import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/** A directory of real little programs to be used as PATH; gone when the test ends. */
export interface ProgramDirectory {
  readonly path: string;
  /** Writes an executable shell script and returns its path. */
  script(name: string, body: string, mode?: number): string;
  link(name: string, target: string): string;
  directory(name: string): string;
  remove(name: string): void;
}

export function programDirectory(): ProgramDirectory {
  const path = mkdtempSync(join(tmpdir(), "attune-programs-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    script(name, body, mode = 0o755) {
      const file = join(path, name);
      writeFileSync(file, `#!/bin/sh\n${body}\n`);
      chmodSync(file, mode);
      return file;
    },
    link(name, target) {
      const file = join(path, name);
      symlinkSync(target, file);
      return file;
    },
    directory(name) {
      const file = join(path, name);
      mkdirSync(file);
      return file;
    },
    remove(name) {
      rmSync(join(path, name));
    },
  };
}
