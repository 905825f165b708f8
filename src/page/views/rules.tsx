/** All rules: which events they wait for, and how often they match. */
import { countOf, rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Switch } from "../parts/act.tsx";
import { Empty, Heading, Ref, State } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { isFound, SearchField } from "../parts/query-field.tsx";
import { Age } from "../parts/time.tsx";
import { useFindings, useResource } from "../resource.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { Enforcement, Finding, List, Rule } from "../types.ts";

export function RulesView() {
  const { value, error, reload } = useResource<List<Rule>>("rules?sort=ref&page_size=100", {
    everyMs: 15_000,
  });
  const enforcements =
    useResource<List<Enforcement>>("enforcements?page_size=100", { everyMs: 5_000 }).value?.items ?? [];
  const findings = useFindings(30_000).value ?? [];
  const rules = value?.items.filter(({ ref, label, trigger_ref: trigger, action_ref: action }) =>
    isFound(ref, label, trigger, action),
  );
  return (
    <>
      <Heading title="Rules" note="Which events lead to which actions">
        <SearchField />
      </Heading>
      <TableCard
        name="Rules"
        title={rules && countOf(rules.length, "rule")}
        columns={[
          "Rule",
          "State",
          "Trigger",
          "Action",
          "Matches a second",
          "Last match",
          { hidden: "Actions" },
        ]}
        items={rules}
        error={error}
        empty={
          queryOf("text") === "" ? (
            <Empty title="There are no rules yet">
              Without a rule no sensor runs. A pack brings rules, and POST /api/v1/rules makes one.
            </Empty>
          ) : (
            <Empty title="No rule contains that text">Look for another word.</Empty>
          )
        }
      >
        {(rule) => (
          <RuleRow
            key={rule.ref}
            rule={rule}
            problem={findings.find(
              ({ state, subject }) => state !== "good" && subject.split(" ").includes(rule.ref),
            )}
            matchedAt={enforcements.find(({ rule_ref: ref }) => ref === rule.ref)?.created}
            reload={reload}
          />
        )}
      </TableCard>
    </>
  );
}

function RuleRow({
  rule,
  problem,
  matchedAt,
  reload,
}: {
  rule: Rule;
  problem: Finding | undefined;
  /** Undefined: not among the last enforcements. */
  matchedAt: string | undefined;
  reload: () => void;
}) {
  return (
    <tr>
      <td class="name">
        <a href={hrefOf("rules", rule.ref)}>
          <Ref text={rule.ref} />
        </a>
        <span class="sub">{problem?.detail ?? rule.label}</span>
      </td>
      <td>
        {!rule.enabled ? (
          <State mood="off">disabled</State>
        ) : problem === undefined ? (
          <State mood="good">enabled</State>
        ) : (
          <State mood={problem.state === "wrong" ? "bad" : "warn"}>problem</State>
        )}
      </td>
      <td>
        <a href={hrefOf("events", undefined, { trigger: rule.trigger_ref })}>{rule.trigger_ref}</a>
      </td>
      <td>{rule.action_ref}</td>
      <td>
        <span class="row nowrap">
          <Spark kind="rule" source={rule.ref} />
          {rateText(rateOf("rule", rule.ref))}
        </span>
      </td>
      <td>
        <Age at={matchedAt} />
      </td>
      <td>
        <span class="row">
          <Switch path={`rules/${encodeURIComponent(rule.ref)}`} isEnabled={rule.enabled} onDone={reload} />
        </span>
      </td>
    </tr>
  );
}
