/**
 * Who says which runtimes a worker offers: the environment it was started with, else its
 * configuration, else what is found.
 *
 * The first two are hard overrides. They name runtimes and are not verified: whoever names one is
 * believed, and a sensor that then finds no interpreter says so.
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
 * @param fromEnvironment the value of ATTUNE_SENSOR_RUNTIMES as it came from outside, not as the agent
 *   set it for itself. Empty means unset: a compose file cannot leave a variable out conditionally.
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
