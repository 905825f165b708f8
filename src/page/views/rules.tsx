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
import { useList } from "../list.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { Enforcement, Finding, List, Rule } from "../types.ts";

export function RulesView() {
  const trigger = queryOf("trigger");
  const of = trigger === "" ? "" : `&trigger_ref=${encodeURIComponent(trigger)}`;
  const list = useList<Rule>(`rules?sort=ref&page_size=100${of}`, {
    everyMs: 15_000,
    isWhole: queryOf("text") !== "",
  });
  const enforcements =
    useResource<List<Enforcement>>("enforcements?page_size=100", { everyMs: 5_000 }).value?.items ?? [];
  const findings = useFindings(30_000).value ?? [];
  const rules = list.items?.filter(({ ref, label, trigger_ref: on, action_ref: action }) =>
    isFound(ref, label, on, action),
  );
  const isFiltered = trigger !== "" || queryOf("text") !== "";
  return (
    <>
      <Heading title="Rules" note="Which events lead to which actions">
        {trigger !== "" && (
          <a class="button" href={hrefOf("rules")}>
            Only those on {trigger}: show all
          </a>
        )}
        <SearchField />
      </Heading>
      <TableCard
        name="Rules"
        title={rules && countOf(queryOf("text") === "" ? list.total : rules.length, "rule")}
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
        error={list.error}
        pages={list}
        empty={
          !isFiltered ? (
            <Empty title="There are no rules yet">
              Without a rule no sensor runs. A pack brings rules, and POST /api/v1/rules makes one.
            </Empty>
          ) : (
            <Empty title="No rule is like that">Look for another word, or on all triggers.</Empty>
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
            reload={list.reload}
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
