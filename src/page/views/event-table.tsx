/** Events in a table, whether they come from the stream or from the database. */
import { Table } from "../parts/list-card.tsx";
import { isFound } from "../parts/query-field.tsx";
import { Time } from "../parts/time.tsx";
import { hrefOf } from "../route.ts";
import type { EventEntry, LiveEvent } from "../types.ts";

export interface Shown {
  readonly id: EventEntry["id"];
  readonly at: string;
  readonly triggerRef: string;
  readonly sourceRef: string | null;
  readonly excerpt: string;
  readonly isFresh: boolean;
}

export function EventTable({ events }: { events: readonly Shown[] }) {
  return (
    <Table name="Events" class="feed" columns={["Event", "Stored", "Trigger", "Sensor", "Payload"]}>
      {events.map(({ id, at, triggerRef, sourceRef, excerpt, isFresh }) => (
        <tr key={String(id)} class={isFresh ? "fresh" : ""}>
          <td class="nowrap">
            <a href={hrefOf("events", id)}>{id}</a>
          </td>
          <td>
            <Time at={at} />
          </td>
          <td>{triggerRef}</td>
          <td>{sourceRef ?? <span class="muted">–</span>}</td>
          <td class="name mono muted">{excerpt}</td>
        </tr>
      ))}
    </Table>
  );
}

/** Whether the event contains the text of the search field. */
export function isShown({ id, triggerRef, sourceRef, excerpt }: Shown): boolean {
  return isFound(id, triggerRef, sourceRef, excerpt);
}

export function liveShown({
  id,
  at,
  trigger_ref: triggerRef,
  sensor_ref: sourceRef,
  excerpt,
}: LiveEvent): Shown {
  return { id, at, triggerRef, sourceRef, excerpt, isFresh: true };
}

export function storedShown({
  id,
  created,
  trigger_ref: triggerRef,
  source_ref: sourceRef,
  dedup_key: key,
}: EventEntry): Shown {
  return {
    id,
    at: created,
    triggerRef,
    sourceRef,
    excerpt: key === null ? "" : `dedup_key ${key}`,
    isFresh: false,
  };
}
