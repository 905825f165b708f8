/** One timer: its next fires and the outcome of its last slots. */
import { countText, durationText } from "../format.ts";
import { Card, Empty, EventLink, Heading, PendingView, State } from "../parts/basics.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { Age, Time } from "../parts/time.tsx";
import { useOne } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { Slot, TimerDetails } from "../types.ts";
import { TimerState, wallText } from "./timers.tsx";

export function TimerView({ name }: { name: string }) {
  const { value: timer, error } = useOne<TimerDetails>(`timers/${encodeURIComponent(name)}?slots=50`, {
    everyMs: 5_000,
  });
  if (timer === undefined) return <PendingView title={name} error={error} />;
  const skipped = Object.entries(timer.counts).filter(
    ([outcome]) => outcome !== "fired" && outcome !== "late",
  );
  return (
    <>
      <Heading title={name} note={timer.label}>
        <TimerState state={timer.state} />
        <a class="button" href={hrefOf("rules", name)}>
          Its rule
        </a>
      </Heading>
      <div class="stack">
        {timer.problem !== null && <p class="error">{timer.problem}</p>}
        <div class="grid halves">
          <Card title="Next fires">
            {timer.next_fires.length === 0 ? (
              <p class="muted">It does not fire any more.</p>
            ) : (
              <ol class="stack">
                {timer.next_fires.map(({ scheduled_at: at, local }) => (
                  <li key={at}>
                    <Time at={at} withUtc />
                    <span class="muted small">
                      {" "}
                      · {wallText(local)} {timer.timezone ?? ""} · <Age at={at} />
                    </span>
                  </li>
                ))}
              </ol>
            )}
          </Card>
          <Card title="So far">
            <dl class="facts">
              <dt>Fired</dt>
              <dd>{countText(timer.execution_count)}</dd>
              <dt>Of these late</dt>
              <dd>{countText(timer.counts["late"] ?? 0)}</dd>
              <dt>Skipped</dt>
              <dd>
                {countText(timer.skipped_count)}
                {skipped.length > 0 &&
                  ` (${skipped.map(([reason, count]) => `${count} ${reason}`).join(", ")})`}
              </dd>
              <dt>Last fire</dt>
              <dd>
                <Time at={timer.last_fired_at} withUtc />
              </dd>
              <dt>Zone</dt>
              <dd>{timer.timezone ?? "UTC"}</dd>
            </dl>
          </Card>
        </div>
        <TableCard
          name="Last slots"
          columns={["Scheduled", "Outcome", "Reason", { number: "Late by" }, "Event"]}
          items={timer.slots}
          empty={
            <Empty title="No slot has come yet">
              Each fire is listed here, and each one that was skipped, with the reason.
            </Empty>
          }
        >
          {(slot) => <SlotRow key={`${slot.scheduled_at} ${slot.outcome}`} slot={slot} />}
        </TableCard>
      </div>
    </>
  );
}

function SlotRow({ slot }: { slot: Slot }) {
  const mood = slot.outcome === "fired" ? "good" : slot.outcome === "late" ? "warn" : "off";
  return (
    <tr>
      <td>
        <Time at={slot.scheduled_at} />
        {slot.slots > 1 && <span class="sub">and {countText(slot.slots - 1)} after it</span>}
      </td>
      <td>
        <State mood={mood}>{slot.outcome}</State>
      </td>
      <td>{slot.reason ?? <span class="muted">–</span>}</td>
      <td class="number">{slot.late_seconds === null ? "–" : durationText(slot.late_seconds)}</td>
      <td>
        <EventLink id={slot.event} />
      </td>
    </tr>
  );
}
