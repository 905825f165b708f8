/** One rule: its definition, why it matched or not, its last matches, ways to try it, and its history. */
import { rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Switch } from "../parts/act.tsx";
import { Card, Empty, EventLink, Heading, PendingView, State } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { Time } from "../parts/time.tsx";
import { Tree } from "../parts/tree.tsx";
import { useList } from "../list.ts";
import { useOne } from "../resource.ts";
import { hrefOf } from "../route.ts";
import { Backtest } from "./backtest.tsx";
import { RuleHistory, RuleReasons } from "./rule-story.tsx";
import { RuleTester } from "./rule-tester.tsx";
import type { Enforcement, Rule } from "../types.ts";

export function RuleView({ name }: { name: string }) {
  const path = `rules/${encodeURIComponent(name)}`;
  const { value: rule, error, reload } = useOne<Rule>(path, { everyMs: 15_000 });
  const enforcements = useList<Enforcement>(
    `enforcements?rule_ref=${encodeURIComponent(name)}&page_size=20`,
    { everyMs: 5_000 },
  );
  if (rule === undefined) return <PendingView title={name} error={error} />;
  return (
    <>
      <Heading title={name} note={rule.description ?? rule.label}>
        {rule.enabled ? <State mood="good">enabled</State> : <State mood="off">disabled</State>}
        <Switch path={path} isEnabled={rule.enabled} onDone={reload} />
      </Heading>
      <div class="stack">
        <div class="grid halves">
          <Card title="Definition">
            <dl class="facts">
              <dt>Trigger</dt>
              <dd>
                <a href={hrefOf("events", undefined, { trigger: rule.trigger_ref })}>{rule.trigger_ref}</a>
              </dd>
              <dt>Action</dt>
              <dd>{rule.action_ref}</dd>
              <dt>Matches now</dt>
              <dd class="row">
                {rateText(rateOf("rule", name))} a second
                <Spark kind="rule" source={name} />
              </dd>
            </dl>
          </Card>
          <Card title="Conditions">
            {isEmpty(rule.conditions) ? (
              <p class="muted">None: every event of its trigger matches.</p>
            ) : (
              <Tree value={rule.conditions} />
            )}
          </Card>
          <Card title="Parameters of the trigger">
            <Tree value={rule.trigger_params} />
          </Card>
          <Card title="Parameters of the action">
            <Tree value={rule.action_params} />
          </Card>
        </div>
        <RuleReasons name={name} />
        <TableCard
          name="Last matches"
          columns={["Enforcement", "Stored", "Event", "Action", "Status"]}
          items={enforcements.items}
          error={enforcements.error}
          pages={enforcements}
          empty={
            <Empty title="It has matched no event yet">
              An event's own view shows why a rule did not match it.{" "}
              <a href={hrefOf("events", undefined, { trigger: rule.trigger_ref })}>Events of its trigger</a>
            </Empty>
          }
        >
          {({ id, created, event, action_ref: action, status }) => (
            <tr key={String(id)}>
              <td>{id}</td>
              <td>
                <Time at={created} />
              </td>
              <td>
                <EventLink id={event} />
              </td>
              <td>{action ?? "–"}</td>
              <td>{status}</td>
            </tr>
          )}
        </TableCard>
        <div class="grid halves">
          <RuleTester rule={rule} />
          <Backtest key={JSON.stringify(rule.conditions)} rule={rule} />
        </div>
        <RuleHistory name={name} onRevert={reload} />
      </div>
    </>
  );
}

function isEmpty(conditions: Rule["conditions"]): boolean {
  return conditions === null || (typeof conditions === "object" && Object.keys(conditions).length === 0);
}
