/** What every rule on the event's trigger said of it. */
import { Card, Empty, Pending, State } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { Enforcement, List, Rule } from "../types.ts";

export function Verdicts({ id, triggerRef }: { id: string; triggerRef: string }) {
  const rules = useResource<List<Rule>>(`rules?trigger_ref=${encodeURIComponent(triggerRef)}&page_size=100`);
  const enforcements = useResource<List<Enforcement>>(
    `enforcements?event=${encodeURIComponent(id)}&page_size=100`,
  );
  const matched = new Set((enforcements.value?.items ?? []).map((each) => each.rule_ref));
  const all = rules.value?.items ?? [];
  return (
    <Card title="What the rules said" flush>
      {rules.value === undefined || enforcements.value === undefined ? (
        <Pending error={rules.error ?? enforcements.error} />
      ) : all.length === 0 ? (
        <Empty title="No rule waits for this trigger">A rule on {triggerRef} would have been asked.</Empty>
      ) : (
        all.map(({ ref, enabled }) => (
          <div key={ref} class={`notice ${matched.has(ref) ? "good" : ""}`}>
            <p>
              <a href={hrefOf("rules", ref)}>{ref}</a>
            </p>
            <State mood={matched.has(ref) ? "good" : "off"}>
              {matched.has(ref) ? "matched" : enabled ? "did not match" : "disabled"}
            </State>
          </div>
        ))
      )}
    </Card>
  );
}
