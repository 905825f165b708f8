/** One event: its payload, every rule's verdict, its enforcements, and its replay. */
import { durationText } from "../format.ts";
import { Card, Empty, Heading, PendingView } from "../parts/basics.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { Time } from "../parts/time.tsx";
import { Tree } from "../parts/tree.tsx";
import { useList } from "../list.ts";
import { useOne } from "../resource.ts";
import { hrefOf } from "../route.ts";
import { Replay } from "./replay.tsx";
import { Verdicts } from "./verdicts.tsx";
import type { Enforcement, EventDetails, EventExplanation } from "../types.ts";

export function EventView({ name }: { name: string }) {
  const id = encodeURIComponent(name);
  const { value: event, error } = useOne<EventDetails>(`events/${id}`);
  const explanation = useOne<EventExplanation>(`events/${id}/explain`);
  const enforcements = useList<Enforcement>(`enforcements?event=${id}&page_size=100`, {
    everyMs: 5_000,
  });
  // The explanation is on top, so what is below would move if it came later.
  const isExplained = explanation.value !== undefined || explanation.error !== undefined;
  if (event === undefined || !isExplained) return <PendingView title={`Event ${name}`} error={error} />;
  const occurredMs = event.occurred_at === null ? undefined : Date.parse(event.occurred_at);
  return (
    <>
      <Heading title={`Event ${event.id}`} note={event.trigger_ref}>
        <a class="button" href={hrefOf("events", undefined, { trigger: event.trigger_ref })}>
          Others of this trigger
        </a>
      </Heading>
      <div class="stack">
        <Verdicts explanation={explanation.value} error={explanation.error} />
        <div class="grid halves">
          <Card title="Payload">
            <Tree value={event.payload} />
          </Card>
          <Card title="Origin">
            <dl class="facts">
              <dt>Stored</dt>
              <dd>
                <Time at={event.created} withUtc />
              </dd>
              {occurredMs !== undefined && (
                <>
                  <dt>Occurred</dt>
                  <dd>
                    <Time at={event.occurred_at} withUtc />
                    <span class="muted small">
                      {" "}
                      · {durationText(Math.max(0, (Date.parse(event.created) - occurredMs) / 1_000))} before
                    </span>
                  </dd>
                </>
              )}
              <dt>Sensor</dt>
              <dd>
                {event.source_ref === null ? (
                  "none"
                ) : (
                  <a href={hrefOf("sensors", event.source_ref)}>{event.source_ref}</a>
                )}
              </dd>
              <dt>Trigger</dt>
              <dd>{event.trigger_ref}</dd>
              <dt>dedup_key</dt>
              <dd>{event.dedup_key ?? "none"}</dd>
            </dl>
          </Card>
        </div>
        <TableCard
          name="Enforcements"
          columns={["Enforcement", "Rule", "Action", "Status", "Stored"]}
          items={enforcements.items}
          error={enforcements.error}
          pages={enforcements}
          empty={<Empty title="No rule matched it">Above is what each rule on its trigger said.</Empty>}
        >
          {({ id: number, rule_ref: rule, action_ref: action, status, created }) => (
            <tr key={String(number)}>
              <td>{number}</td>
              <td>
                <a href={hrefOf("rules", rule)}>{rule}</a>
              </td>
              <td>{action ?? "–"}</td>
              <td>{status}</td>
              <td>
                <Time at={created} />
                <span class="sub">
                  {durationText(Math.max(0, (Date.parse(created) - Date.parse(event.created)) / 1_000))} after
                  the event
                </span>
              </td>
            </tr>
          )}
        </TableCard>
        <Replay
          id={name}
          onDone={() => {
            explanation.reload();
            enforcements.reload();
          }}
        />
        <details class="card">
          <summary class="body">Trigger and sensor as they were configured</summary>
          <div class="body">
            <Tree value={event.config} />
          </div>
        </details>
      </div>
    </>
  );
}
