/**
 * The OTLP receiver of the OpenTelemetry Collector as a program, built from test/fixtures/otlp-receiver with its pinned modules. It is
 * kept in `.local/go` and built once; without a suitable Go, or without its modules, there is none.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { access, mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { repositoryRoot } from "../repository.ts";

export type BuiltReceiver =
  | { readonly kind: "ready"; readonly file: string }
  /** For the test's output. */
  | { readonly kind: "unavailable"; readonly reason: string };

const run = promisify(execFile);
const source = join(repositoryRoot, "test/fixtures/otlp-receiver");
/** About a minute on two processors, less once Go has compiled the modules. */
const buildLimitMs = 300_000;

export async function otlpReceiver(): Promise<BuiltReceiver> {
  const hash = createHash("sha256");
  for (const name of ["main.go", "go.mod", "go.sum"]) hash.update(await readFile(join(source, name)));
  const kept = join(repositoryRoot, ".local/go", `otlp-receiver-${hash.digest("hex").slice(0, 16)}`);
  if (await exists(kept)) return { kind: "ready", file: kept };
  // Made under another name, so that what is interrupted is not taken for complete.
  const making = `${kept}.${process.pid}`;
  try {
    await mkdir(join(kept, ".."), { recursive: true });
    await run("go", ["build", "-mod=readonly", "-trimpath", "-o", making, "."], {
      cwd: source,
      // Without C, so that no compiler is needed; with the Go that is installed, so that none is downloaded.
      env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOWORK: "off" },
      timeout: buildLimitMs,
    });
    await rename(making, kept);
    return { kind: "ready", file: kept };
  } catch (error) {
    await rm(making, { force: true });
    return { kind: "unavailable", reason: `the Collector's receiver could not be built: ${String(error)}` };
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
