/**
 * Converts refs as written in packs to the full refs in rows.
 */
import { builtinRuntimeRef, canonicalRuntimeName } from "../model/runtimes/runtime-names.ts";

/** For sensors that are executed directly. */
export const nativeRuntime = "core.sensor.native";
/** For shell scripts. */
export const shellRuntime = "core.sensor.shell";

const coreRuntimes: Readonly<Record<string, string>> = {
  python: "core.sensor.python",
  node: "core.sensor.nodejs",
  shell: shellRuntime,
  native: nativeRuntime,
  builtin: builtinRuntimeRef,
};

/**
 * A definition's own ref. Everything that a pack defines is below the pack's ref, so that two packs never
 * define the same thing. Undefined if the ref is below another pack's.
 */
export function ownRef(packRef: string, written: string): string | undefined {
  if (written.startsWith(`${packRef}.`)) return written;
  return written.includes(".") ? undefined : `${packRef}.${written}`;
}

/** The full ref of a trigger or action, of this pack unless another is named. */
export function referredRef(packRef: string, written: string): string {
  return written.includes(".") ? written : `${packRef}.${written}`;
}

/**
 * The full ref of a runtime: one of this pack, one of the core pack under any of its names, or a full ref.
 */
export function referredRuntime(packRef: string, written: string, ownRuntimes: ReadonlySet<string>): string {
  const own = `${packRef}.${written}`;
  if (ownRuntimes.has(own)) return own;
  const name = canonicalRuntimeName(written);
  return coreRuntimes[name] ?? (written.includes(".") ? written : `core.sensor.${name}`);
}
