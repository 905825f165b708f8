/**
 * Converts refs as written in packs and requests to the full refs in rows.
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

/** How refs are written where a definition comes from. */
export interface Naming {
  /** A definition's own ref; undefined if it is one of another pack's. */
  readonly ownRef: (written: string) => string | undefined;
  /** The full ref of a trigger or action. */
  readonly referredRef: (written: string) => string;
  readonly referredRuntime: (written: string) => string;
  /** A clause about a ref that nothing has. */
  readonly missing: string;
}

/**
 * In the files of a pack. Everything that a pack defines is below the pack's ref, so that two packs never
 * define the same thing; the pack's own ref in front is optional. A runtime is one of this pack, one of the core pack
 * under any of its names, or a full ref.
 */
export function packNaming(packRef: string, ownRuntimes: ReadonlySet<string>): Naming {
  const referredRef = (written: string): string =>
    written.includes(".") ? written : `${packRef}.${written}`;
  return {
    ownRef: (written) => ownRef(packRef, written),
    referredRef,
    referredRuntime: (written) => {
      const own = `${packRef}.${written}`;
      if (ownRuntimes.has(own)) return own;
      const name = canonicalRuntimeName(written);
      return coreRuntimes[name] ?? (written.includes(".") ? written : `core.sensor.${name}`);
    },
    missing: "which exists neither in these packs nor in the database",
  };
}

/** In requests: refs are written in full, except for the names of the core runtimes. */
export const fullNaming: Naming = {
  ownRef: (written) => written,
  referredRef: (written) => written,
  referredRuntime: (written) => coreRuntimes[canonicalRuntimeName(written)] ?? written,
  missing: "which does not exist",
};

/** Undefined if the ref is below another pack's. */
export function ownRef(packRef: string, written: string): string | undefined {
  if (written.startsWith(`${packRef}.`)) return written;
  return written.includes(".") ? undefined : `${packRef}.${written}`;
}
