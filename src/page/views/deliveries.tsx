/** Requests of other systems to webhooks, and their outcome. */
import { durationText } from "../format.ts";
import { Empty, EventLink, Heading, State, type Mood } from "../parts/basics.tsx";
import { TableCard } from "../parts/list-card.tsx";
import { ChoiceField } from "../parts/query-field.tsx";
import { Time } from "../parts/time.tsx";
import { useList } from "../list.ts";
import { queryOf } from "../route.ts";
import type { Delivery } from "../types.ts";

const verdicts = ["accepted", "duplicate", "challenge", "refused", "failed"] as const;
const moods: Readonly<Record<Delivery["verdict"], Mood>> = {
  accepted: "good",
  duplicate: "off",
  challenge: "off",
  refused: "warn",
  failed: "bad",
};

export function DeliveriesView() {
  const verdict = queryOf("verdict");
  const deliveries = useList<Delivery>(
    `deliveries?page_size=100${verdict === "" ? "" : `&verdict=${verdict}`}`,
    { everyMs: 4_000 },
  );
  return (
    <>
      <Heading title="Deliveries" note="Requests of other systems to your webhooks">
        <ChoiceField label="Verdict" name="verdict" options={verdicts} />
      </Heading>
      <TableCard
        name="Last deliveries"
        columns={[
          "Received",
          "Verdict",
          "Endpoint",
          "From",
          { number: "Status" },
          { number: "Took" },
          "Event",
        ]}
        items={deliveries.items}
        error={deliveries.error}
        pages={deliveries}
        empty={
          verdict === "" ? (
            <Empty title="No request has come yet">
              A rule on core.webhook with a path answers at /webhooks/PATH.
            </Empty>
          ) : (
            <Empty title="No request has that verdict">Choose another verdict.</Empty>
          )
        }
      >
        {(delivery) => (
          <tr key={String(delivery.id)}>
            <td>
              <Time at={delivery.created} />
            </td>
            <td>
              <State mood={moods[delivery.verdict]}>{delivery.verdict}</State>
              {delivery.reason !== null && <span class="sub">{delivery.reason}</span>}
            </td>
            <td class="name">
              <span class="mono">
                {delivery.method} {delivery.path ?? "(by key)"}
              </span>
              <span class="sub">{delivery.rule_ref ?? delivery.trigger_ref ?? ""}</span>
            </td>
            <td>{delivery.remote_address ?? "–"}</td>
            <td class="number">{delivery.status}</td>
            <td class="number">{durationText(delivery.seconds)}</td>
            <td>
              <EventLink id={delivery.event_id} />
            </td>
          </tr>
        )}
      </TableCard>
    </>
  );
}
