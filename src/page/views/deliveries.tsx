/** Requests of other systems to webhooks, and what became of them. */
import { durationText } from "../format.ts";
import { Card, Empty, Heading, Pending, State, Time, type Mood } from "../parts/basics.tsx";
import { useResource } from "../resource.ts";
import { hrefOf, replaceQuery, route } from "../route.ts";
import type { Delivery, List } from "../types.ts";

const verdicts = ["accepted", "duplicate", "challenge", "refused", "failed"] as const;
const moods: Readonly<Record<Delivery["verdict"], Mood>> = {
  accepted: "good",
  duplicate: "off",
  challenge: "off",
  refused: "warn",
  failed: "bad",
};

export function DeliveriesView() {
  const verdict = route.value.query.get("verdict") ?? "";
  const { value, error } = useResource<List<Delivery>>(
    `deliveries?page_size=100${verdict === "" ? "" : `&verdict=${verdict}`}`,
    { everyMs: 4_000 },
  );
  const deliveries = value?.items ?? [];
  return (
    <>
      <Heading title="Deliveries" note="Requests of other systems to your webhooks">
        <label class="field">
          Verdict
          <select
            value={verdict}
            onChange={({ currentTarget }) =>
              replaceQuery(currentTarget.value === "" ? {} : { verdict: currentTarget.value })
            }
          >
            <option value="">all</option>
            {verdicts.map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
          </select>
        </label>
      </Heading>
      <Card title="Last deliveries" flush>
        {value === undefined ? (
          <Pending error={error} />
        ) : deliveries.length === 0 ? (
          <Empty title={verdict === "" ? "No request has come yet" : "No request has that verdict"}>
            {verdict === ""
              ? "A rule on core.webhook with a path answers at /webhooks/PATH."
              : "Choose another verdict."}
          </Empty>
        ) : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Last deliveries">
            <table>
              <thead>
                <tr>
                  <th>Received</th>
                  <th>Verdict</th>
                  <th>Endpoint</th>
                  <th>From</th>
                  <th class="number">Status</th>
                  <th class="number">Took</th>
                  <th>Event</th>
                </tr>
              </thead>
              <tbody>
                {deliveries.map((delivery) => (
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
                      {delivery.event_id === null ? (
                        "–"
                      ) : (
                        <a href={hrefOf("events", delivery.event_id)}>{delivery.event_id}</a>
                      )}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Card>
    </>
  );
}
