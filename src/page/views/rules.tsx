/** All rules: which events they wait for, and how often they match. */
import { countOf, rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Switch } from "../parts/act.tsx";
import { Empty, Heading, Ref, State } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { SearchField } from "../parts/query-field.tsx";
import { Age } from "../parts/time.tsx";
import { useFindings } from "../resource.ts";
import { useList } from "../list.ts";
import { hrefOf, queryOf } from "../route.ts";
import type { Finding, Rule } from "../types.ts";

export function RulesView() {
  const trigger = queryOf("trigger");
  const list = useList<Rule>(listPath({ trigger_ref: trigger, q: queryOf("text") }), { everyMs: 15_000 });
  const findings = useFindings(30_000).value ?? [];
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
        title={list.items && countOf(list.total, "rule")}
        columns={[
          "Rule",
          "State",
          "Trigger",
          "Action",
          "Matches a second",
          "Last match",
          { hidden: "Actions" },
        ]}
        items={list.items}
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
            reload={list.reload}
          />
        )}
      </TableCard>
    </>
  );
}

function listPath(filter: { readonly trigger_ref: string; readonly q: string }): string {
  const set = Object.entries(filter).filter(([, value]) => value !== "");
  const fixed = [
    ["sort", "ref"],
    ["page_size", "100"],
    ["include", "last_match"],
  ];
  return `rules?${new URLSearchParams([...fixed, ...set])}`;
}

function RuleRow({
  rule,
  problem,
  reload,
}: {
  rule: Rule;
  problem: Finding | undefined;
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
        <Age at={rule.last_matched_at} />
      </td>
      <td>
        <span class="row">
          <Switch path={`rules/${encodeURIComponent(rule.ref)}`} isEnabled={rule.enabled} onDone={reload} />
        </span>
      </td>
    </tr>
  );
}
