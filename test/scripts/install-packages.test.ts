/** The script that installs Debian packages, with stand-ins for the programs that it calls. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test, vi } from "vitest";
import { installAll, type Requirement } from "../../scripts/services/debian-packages.ts";
import { repositoryRoot } from "../../scripts/repository.ts";

const isRoot = process.getuid?.() === 0;
const locked = "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 123 (unattended-upgr)";

interface Installation {
  /** What it printed to stderr if it failed. */
  readonly complaint: string | undefined;
  /** The calls of apt-get and sleep, in order. */
  readonly calls: readonly string[];
}

/** @param failures what apt-get complains of at its first calls; the later ones succeed */
async function install(failures: readonly string[]): Promise<Installation> {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-apt-"));
  const calls = join(folder.path, "calls");
  const standIn = async (name: string, lines: readonly string[]): Promise<void> =>
    await writeFile(join(folder.path, name), ["#!/bin/sh", ...lines, ""].join("\n"), { mode: 0o755 });
  const noted = `echo "$(basename "$0") $*" >> ${calls}`;
  const answers = failures.map((text, index) => `${index + 1}) echo '${text}' >&2; exit 100 ;;`);
  await standIn("apt-get", [noted, `case $(grep -c apt-get ${calls}) in`, ...answers, "esac"]);
  await standIn("sleep", [noted]);
  const script = join(repositoryRoot, "scripts/services/install-packages.sh");
  const running = promisify(execFile)(script, ["one", "two"], {
    env: { PATH: `${folder.path}:${process.env["PATH"]}` },
  });
  const complaint = await running.then(
    () => undefined,
    (error: unknown) => String(Object(error).stderr),
  );
  return { complaint, calls: (await readFile(calls, "utf8")).trimEnd().split("\n") };
}

const update = "apt-get update -qq";
const installation = "apt-get install -y -qq --no-install-recommends one two";

test.runIf(isRoot)("while another program holds the lock, it tries again", async () => {
  const frontend = "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend)";

  expect(await install([locked, locked])).toEqual({
    complaint: undefined,
    calls: [update, "sleep 5", update, "sleep 5", update, installation],
  });
  expect(await install([frontend])).toMatchObject({ complaint: undefined });
});

test.runIf(isRoot)("any other failure is reported at once", async () => {
  expect(await install(["E: Unable to locate package one"])).toEqual({
    complaint: `${update} failed:\nE: Unable to locate package one\n`,
    calls: [update],
  });
});

// Goal: a new machine is prepared by few installations, in an order that works.
// Method: stand-ins for the package manager keep a list of what they were asked for.
test.runIf(isRoot)("many requirements are installed in one go, and only the others alone", async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), "attune-apt-"));
  const calls = join(folder.path, "calls");
  const script = `#!/bin/sh\necho "$(basename "$0") $*" >> ${calls}\n`;
  for (const name of ["apt-get", "dpkg"]) await writeFile(join(folder.path, name), script, { mode: 0o755 });
  vi.stubEnv("PATH", `${folder.path}:${process.env["PATH"]}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const asked = (): string => (existsSync(calls) ? readFileSync(calls, "utf8") : "");
  const requirement = (name: string): Requirement => ({
    name,
    packages: [name],
    isInstalled: () => new RegExp(`^apt-get install .* ${name}( .*)?$`, "m").test(asked()),
  });
  const included = { ...requirement("included"), isPerhapsIncluded: true };
  const foreign = requirement("foreign:arm64");

  expect(await installAll([requirement("one"), included, foreign, requirement("two")])).toEqual([]);

  const installations = asked().match(/(?<=--no-install-recommends ).*|dpkg .*/g);
  expect(installations).toEqual(["one two", "included", "dpkg --add-architecture arm64", "foreign:arm64"]);
});
