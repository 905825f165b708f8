/** All rules: which events they wait for, and how often they match. */
import { countOf, rateText } from "../format.ts";
import { sparkOf, tick } from "../live.ts";
import { Act } from "../parts/act.tsx";
import { Age, Card, Empty, Heading, Pending, Ref, State } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, replaceQuery, route } from "../route.ts";
import type { Enforcement, Finding, List, Rule } from "../types.ts";

export function RulesView() {
  const text = route.value.query.get("text") ?? "";
  const { value, error, reload } = useResource<List<Rule>>("rules?sort=ref&page_size=100", {
    everyMs: 15_000,
  });
  const enforcements =
    useResource<List<Enforcement>>("enforcements?page_size=100", { everyMs: 5_000 }).value?.items ?? [];
  const findings =
    useResource<{ data: { findings: readonly Finding[] } }>("diagnosis", { everyMs: 30_000 }).value?.data
      .findings ?? [];
  const rules = (value?.items ?? []).filter(({ ref, label, trigger_ref: trigger, action_ref: action }) =>
    `${ref} ${label} ${trigger} ${action}`.toLowerCase().includes(text.toLowerCase()),
  );
  return (
    <>
      <Heading title="Rules" note="Which events lead to which actions">
        <label class="field">
          Text
          <input
            type="search"
            value={text}
            onInput={({ currentTarget }) =>
              replaceQuery(currentTarget.value === "" ? {} : { text: currentTarget.value })
            }
          />
        </label>
      </Heading>
      <Card title={value === undefined ? "Rules" : countOf(rules.length, "rule")} flush>
        {value === undefined ? (
          <Pending error={error} />
        ) : rules.length === 0 ? (
          <Empty title={text === "" ? "There are no rules yet" : "No rule contains that text"}>
            {text === ""
              ? "Without a rule no sensor runs. A pack brings rules, and POST /api/v1/rules makes one."
              : "Look for another word."}
          </Empty>
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Rules">
            <table>
              <thead>
                <tr>
                  <th>Rule</th>
                  <th>State</th>
                  <th>Trigger</th>
                  <th>Action</th>
                  <th>Matches a second</th>
                  <th>Last match</th>
                  <th>
                    <span class="hidden">Actions</span>
                  </th>
                </tr>
              </thead>
              <tbody>
                {rules.map((rule) => {
                  const problem = findings.find(
                    ({ state, subject }) => state !== "good" && subject.split(" ").includes(rule.ref),
                  );
                  return (
                    <tr key={rule.ref}>
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
                        <a href={hrefOf("events", undefined, { trigger: rule.trigger_ref })}>
                          {rule.trigger_ref}
                        </a>
                      </td>
                      <td>{rule.action_ref}</td>
                      <td>
                        <span class="row nowrap">
                          <Spark
                            values={sparkOf("rule", rule.ref)}
                            label={`${rateText(tick.value?.rules[rule.ref] ?? 0)} matches a second now`}
                          />
                          {rateText(tick.value?.rules[rule.ref] ?? 0)}
                        </span>
                      </td>
                      <td>
                        <Age at={enforcements.find(({ rule_ref: ref }) => ref === rule.ref)?.created} />
                      </td>
                      <td>
                        <span class="row">
                          <Act
                            name={rule.enabled ? "Disable" : "Enable"}
                            path={`rules/${rule.ref}/${rule.enabled ? "disable" : "enable"}`}
                            done=""
                            onDone={reload}
                          />
                        </span>
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          </div>
        )}
      </Card>
    </>
  );
}
