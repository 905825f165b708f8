/** The rules as they were at a moment, from the versions that the table rule_version keeps. */
import type { Id } from "../identifiers.ts";
import type { JsonObject, JsonValue } from "../json/json.ts";
import type { ExplainableRule } from "./explain-rule.ts";

export const versionOperations = ["found", "created", "changed", "deleted"] as const;

export interface RuleVersion {
  readonly id: Id;
  readonly ruleId: Id;
  readonly ruleRef: string;
  readonly triggerRef: string;
  readonly revision: Id;
  /** It matters to matching, so it has a revision of its own. */
  readonly isEffective: boolean;
  /** `found`: the rule existed when its history began. */
  readonly operation: (typeof versionOperations)[number];
  /** The fields of the rule; null once it is deleted. */
  readonly definition: JsonObject | null;
  readonly changedAt: Date;
  /** `api:<login>`, `pack:<ref>`, `sql:<role>` and the like. */
  readonly changedBy: string;
}

/** When an event was matched. */
export interface Moment {
  /** The revision of its trigger; null for an event from before that was recorded. */
  readonly revision: Id | null;
  /** When it was stored. */
  readonly at: Date;
}

/**
 * The version of one rule that was in force; undefined if the rule did not exist.
 *
 * @param versions of one rule, in ascending order
 */
export function versionAt(versions: readonly RuleVersion[], moment: Moment): RuleVersion | undefined {
  return versions.findLast((version) => isInForce(version, moment));
}

/** The rules on a trigger, enabled or not, in order of id; versions of rules that were on other triggers may be among them. */
export function rulesAt(
  versions: readonly RuleVersion[],
  triggerRef: string,
  moment: Moment,
): readonly ExplainableRule[] {
  return Map.groupBy(versions, ({ ruleId }) => ruleId)
    .values()
    .flatMap((own) => {
      const version = versionAt(own, moment);
      const rule = version === undefined ? undefined : ruleOf(version);
      return rule?.triggerRef === triggerRef ? [rule] : [];
    })
    .toArray()
    .toSorted((one, other) => (BigInt(one.id) < BigInt(other.id) ? -1 : 1));
}

/** The rule as matching reads it; undefined if it is deleted. */
export function ruleOf({
  ruleId,
  definition,
}: Pick<RuleVersion, "ruleId" | "definition">): ExplainableRule | undefined {
  if (definition === null) return undefined;
  return {
    id: ruleId,
    ref: textOf(definition["ref"]),
    triggerRef: textOf(definition["trigger_ref"]),
    actionId: typeof definition["action"] === "string" ? definition["action"] : null,
    actionRef: textOf(definition["action_ref"]),
    conditions: definition["conditions"] ?? null,
    triggerParams: definition["trigger_params"] ?? {},
    actionParams: definition["action_params"] ?? {},
    isEnabled: definition["enabled"] === true,
  };
}

function isInForce(version: RuleVersion, { revision, at }: Moment): boolean {
  const isEarlier = version.changedAt.getTime() <= at.getTime();
  if (revision === null) return isEarlier || version.operation === "found";
  return version.isEffective ? BigInt(version.revision) <= BigInt(revision) : isEarlier;
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
