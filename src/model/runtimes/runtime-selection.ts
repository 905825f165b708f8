/**
 * Which runtimes a worker offers, as set by its environment variable, else by its configuration, else by
 * detection.
 *
 * The first two are hard overrides: the runtimes they name are offered without verification. If an
 * interpreter turns out to be missing, its sensors fail with that reason.
 */
import { canonicalRuntimeNames } from "./runtime-names.ts";

export type RuntimeSelection =
  | {
      readonly kind: "override";
      readonly by: "environment" | "config";
      /** Canonical, in the order given. */
      readonly names: readonly string[];
    }
  | { readonly kind: "detection" };

export const runtimesVariable = "ATTUNE_SENSOR_RUNTIMES";

/**
 * @param fromEnvironment the value of ATTUNE_SENSOR_RUNTIMES at start, not as the agent later set it itself.
 *   Empty means unset, because a Compose file cannot omit a variable conditionally.
 */
export function selectRuntimes(
  fromEnvironment: string | undefined,
  fromConfig: readonly string[] | undefined,
): RuntimeSelection {
  const named = canonicalRuntimeNames((fromEnvironment ?? "").split(","));
  if (named.length > 0) return { kind: "override", by: "environment", names: named };
  if (fromConfig !== undefined) {
    return { kind: "override", by: "config", names: canonicalRuntimeNames(fromConfig) };
  }
  return { kind: "detection" };
}
