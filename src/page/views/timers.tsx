/** Rules that fire by time: their next fire and the outcome of their slots. */
import { countOf, countText } from "../format.ts";
import { Empty, Heading, Ref, State, type Mood } from "../parts/basics.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { Age, Time } from "../parts/time.tsx";
import { useList } from "../list.ts";
import { hrefOf } from "../route.ts";
import type { Timer } from "../types.ts";

const moods: Readonly<Record<Timer["state"], Mood>> = {
  waiting: "good",
  paused: "warn",
  disabled: "off",
  finished: "off",
  invalid: "bad",
};

export function TimerState({ state }: Pick<Timer, "state">) {
  return <State mood={moods[state]}>{state}</State>;
}

export function TimersView() {
  // All of them: which is next shows only then.
  const list = useList<Timer>("timers?page_size=100", { everyMs: 5_000, isWhole: true });
  const timers = list.items?.toSorted((one, other) => dueMs(one) - dueMs(other));
  return (
    <>
      <Heading title="Timers" note="Rules that time fires, the next one first" />
      <TableCard
        name="Timers"
        title={timers && countOf(list.total, "timer")}
        columns={[
          "Timer",
          "State",
          "Next fire",
          "In its zone",
          "Last fire",
          { number: "Fired" },
          { number: "Late" },
          { number: "Skipped" },
        ]}
        items={timers}
        error={list.error}
        pages={list}
        empty={
          <Empty title="There are no timers yet">
            A rule on core.crontimer, core.intervaltimer, core.datetimetimer or core.rruletimer is one.
          </Empty>
        }
      >
        {(timer) => (
          <tr key={timer.rule_ref}>
            <td class="name">
              <a href={hrefOf("timers", timer.rule_ref)}>
                <Ref text={timer.rule_ref} />
              </a>
              <span class="sub">{timer.problem ?? timer.note ?? timer.label}</span>
            </td>
            <td>
              <TimerState state={timer.state} />
            </td>
            <td>
              {timer.next_fire_at === null ? (
                <span class="muted">never</span>
              ) : (
                <>
                  <Time at={timer.next_fire_at} />
                  <span class="sub">
                    <Age at={timer.next_fire_at} />
                  </span>
                </>
              )}
            </td>
            <td>
              {timer.next_fire_local === null ? "–" : wallText(timer.next_fire_local)}
              <span class="sub">{timer.timezone ?? ""}</span>
            </td>
            <td>
              <Age at={timer.last_fired_at} />
            </td>
            <td class="number">{countText(timer.execution_count)}</td>
            <td class="number">{countText(timer.counts["late"] ?? 0)}</td>
            <td class="number">{countText(timer.skipped_count)}</td>
          </tr>
        )}
      </TableCard>
    </>
  );
}

/** "2026-11-29T02:00:00+01:00" as "2026-11-29 02:00:00". */
export function wallText(local: string): string {
  return local.slice(0, 19).replace("T", " ");
}

function dueMs({ next_fire_at: at }: Timer): number {
  return at === null ? Number.MAX_SAFE_INTEGER : Date.parse(at);
}
