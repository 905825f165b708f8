/** `/rules/{ref}/history`: the versions of a rule, what differs between two, and a return to one. */
import type { FastifyInstance } from "fastify";
import { Type, type Static } from "typebox";
import type { DefinitionEntry } from "../../database/statements/definition-lists.ts";
import type { DefinitionEdit } from "../../model/definition-edit.ts";
import { idNumber, type Id } from "../../model/identifiers.ts";
import { ruleDifferences } from "../../model/rules/rule-difference.ts";
import { versionOperations, type RuleVersion } from "../../model/rules/rules-at.ts";
import { idAnswer, IdAnswer, instantAnswer, InstantAnswer, orNull } from "../answers.ts";
import { resultOf } from "../definitions/outcomes.ts";
import { NameParameters } from "../definitions/schemas.ts";
import { MissingError, RequestError } from "../errors.ts";
import { entityTag } from "../row-version.ts";
import { Text } from "../validation.ts";
import { ruleAnswer, RuleAnswer } from "./rules.ts";

export interface RuleHistory {
  /** Of all rules that have or had this ref, the oldest first. */
  readonly versions: (ref: string) => Promise<readonly RuleVersion[]>;
  readonly revert: (by: string, ref: string, version: Id) => Promise<DefinitionEdit<DefinitionEntry>>;
}

const VersionAnswer = Type.Object({
  version: IdAnswer,
  rule: IdAnswer,
  ref: Type.String(),
  trigger_ref: Type.String(),
  operation: Type.Enum(versionOperations, { description: "`found`: it existed when its history began" }),
  changed: Type.Array(Type.String(), { description: "Fields that differ from the version before" }),
  changed_at: InstantAnswer,
  changed_by: Type.String(),
  revision: IdAnswer,
  definition: Type.Unknown({ description: "Null: the rule was deleted" }),
});

const DifferenceAnswer = Type.Object({
  ref: Type.String(),
  from: orNull(IdAnswer),
  to: IdAnswer,
  differences: Type.Array(
    Type.Object({
      field: Type.String(),
      from: Type.Optional(Type.Unknown({ description: "Left out: not in the earlier version" })),
      to: Type.Optional(Type.Unknown({ description: "Left out: not in the later version" })),
    }),
  ),
});

const DifferenceParameters = Type.Object({
  from: Type.Optional(Text("Version; the one before `to` by default")),
  to: Type.Optional(Text("Version; the newest by default")),
});

const RevertBody = Type.Object({ version: IdAnswer });

const readers = ["admin", "viewer"] as const;

export function addRuleHistoryRoutes(
  scope: FastifyInstance,
  { ruleHistory }: { readonly ruleHistory: RuleHistory },
): void {
  const versionsOf = async (ref: string): Promise<readonly RuleVersion[]> => {
    const versions = await ruleHistory.versions(ref);
    if (versions.length === 0) throw new MissingError("rule", ref);
    return versions;
  };

  scope.get<{ Params: NameParameters }>(
    "/rules/:ref/history",
    {
      config: { roles: readers },
      schema: {
        params: NameParameters,
        response: {
          200: Type.Object({ data: Type.Array(VersionAnswer, { description: "The newest first" }) }),
        },
      },
    },
    async ({ params }) => {
      const versions = await versionsOf(params.ref);
      return {
        data: versions.map((version) => versionAnswer(version, before(versions, version))).toReversed(),
      };
    },
  );

  scope.get<{ Params: NameParameters; Querystring: Static<typeof DifferenceParameters> }>(
    "/rules/:ref/history/diff",
    {
      config: { roles: readers },
      schema: {
        params: NameParameters,
        querystring: DifferenceParameters,
        response: { 200: Type.Object({ data: DifferenceAnswer }) },
      },
    },
    async ({ params: { ref }, query }) => {
      const versions = await versionsOf(ref);
      const to = query.to === undefined ? versions.at(-1) : named(versions, ref, query.to);
      if (to === undefined) throw new MissingError("rule", ref);
      const from = query.from === undefined ? before(versions, to) : named(versions, ref, query.from);
      return {
        data: {
          ref,
          from: idAnswer(from?.id ?? null),
          to: idAnswer(to.id),
          differences: ruleDifferences(from?.definition ?? null, to.definition),
        },
      };
    },
  );

  scope.post<{ Params: NameParameters; Body: Static<typeof RevertBody> }>(
    "/rules/:ref/revert",
    {
      config: { roles: ["admin"] },
      schema: {
        params: NameParameters,
        body: RevertBody,
        response: { 200: Type.Object({ data: RuleAnswer }) },
      },
    },
    async ({ params: { ref }, body, caller }, reply) => {
      // Also refuses a version that is none of this rule's.
      const { id } = named(await versionsOf(ref), ref, String(body.version));
      const entry = resultOf("rule", await ruleHistory.revert(caller.login, ref, id), ref);
      reply.header("etag", entityTag(entry.rowVersion));
      return { data: ruleAnswer(entry) };
    },
  );
}

/** The version of the same rule before this one. */
function before(versions: readonly RuleVersion[], version: RuleVersion): RuleVersion | undefined {
  const earlier = versions.slice(0, versions.indexOf(version));
  return earlier.findLast(({ ruleId }) => ruleId === version.ruleId);
}

/** @throws RequestError NOT_FOUND */
function named(versions: readonly RuleVersion[], ref: string, id: string): RuleVersion {
  const version = versions.find((each) => each.id === id);
  if (version !== undefined) return version;
  throw new RequestError("NOT_FOUND", `The rule ${ref} has no version ${id}; its history lists them.`);
}

function versionAnswer(version: RuleVersion, earlier: RuleVersion | undefined): Static<typeof VersionAnswer> {
  const fields = ruleDifferences(earlier?.definition ?? null, version.definition).map(
    ({ field }) => /^[^.[]*/.exec(field)?.[0] ?? field,
  );
  return {
    version: idNumber(version.id),
    rule: idNumber(version.ruleId),
    ref: version.ruleRef,
    trigger_ref: version.triggerRef,
    operation: version.operation,
    changed: version.operation === "changed" ? [...new Set(fields)] : [],
    changed_at: instantAnswer(version.changedAt),
    changed_by: version.changedBy,
    revision: idNumber(version.revision),
    definition: version.definition,
  };
}
