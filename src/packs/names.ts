/**
 * How the refs that people write become the refs that rows carry.
 */
import { canonicalRuntimeName } from "../model/runtimes/runtime-names.ts";

/** Of sensors inside the agent, which need no script. */
export const builtinRuntime = "core.sensor.builtin";
/** Of sensors that are executed as they are. */
export const nativeRuntime = "core.sensor.native";
/** Of scripts that a shell reads. */
export const shellRuntime = "core.sensor.shell";

const coreRuntimes: Readonly<Record<string, string>> = {
  python: "core.sensor.python",
  node: "core.sensor.nodejs",
  shell: shellRuntime,
  native: nativeRuntime,
  builtin: builtinRuntime,
};

/**
 * A definition's own ref. Everything that a pack defines lies under the pack's ref, so that two packs
 * never define the same thing; undefined when it claims another's name.
 */
export function ownRef(packRef: string, written: string): string | undefined {
  if (written.startsWith(`${packRef}.`)) return written;
  return written.includes(".") ? undefined : `${packRef}.${written}`;
}

/** A trigger or action that is referred to: of this pack, unless another is named. */
export function referredRef(packRef: string, written: string): string {
  return written.includes(".") ? written : `${packRef}.${written}`;
}

/**
 * The runtime that is referred to: one of this pack, or by any of its names one of the core pack, or by
 * its full ref.
 */
export function referredRuntime(packRef: string, written: string, ownRuntimes: ReadonlySet<string>): string {
  const own = `${packRef}.${written}`;
  if (ownRuntimes.has(own)) return own;
  const name = canonicalRuntimeName(written);
  return coreRuntimes[name] ?? (written.includes(".") ? written : `core.sensor.${name}`);
}
