/** Why a rule matched the last events of its trigger or not, and the history of its definition. */
import { useState } from "preact/hooks";
import { countText } from "../format.ts";
import { Act } from "../parts/act.tsx";
import { Card, Empty, Pending } from "../parts/basics.tsx";
import { ListCard } from "../parts/list-card.tsx";
import { Time } from "../parts/time.tsx";
import { useOne } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { Difference, Json, RuleEvents, RuleVersion } from "../types.ts";

export function RuleReasons({ name }: { name: string }) {
  const { value: story, error } = useOne<RuleEvents>(`rules/${encodeURIComponent(name)}/explain?limit=100`, {
    everyMs: 15_000,
  });
  return (
    <Card title="Why it matched or not" flush>
      {story === undefined ? (
        <Pending error={error} />
      ) : (
        <>
          <div class={`notice ${story.matched > 0 ? "good" : "warn"}`}>
            <p>
              <strong>{story.answer}</strong>
            </p>
            <p class="muted">
              {countText(story.matched)} of the last {countText(story.examined)} events of its trigger matched
            </p>
          </div>
          {story.groups.map(({ kind, reason, events, example, would_match_if: wish }) => (
            <div key={kind + reason} class="notice">
              <p>{reason}</p>
              {wish !== null && <p class="muted">It would match if {wish}.</p>}
              <a href={hrefOf("events", example)}>
                {countText(events)} {events === 1 ? "event" : "events"}, such as {example}
              </a>
            </div>
          ))}
        </>
      )}
    </Card>
  );
}

export function RuleHistory({ name, onRevert }: { name: string; onRevert: () => void }) {
  const path = `rules/${encodeURIComponent(name)}/history`;
  const { value: versions, error, reload } = useOne<readonly RuleVersion[]>(path, { everyMs: 15_000 });
  const [shown, setShown] = useState<string | undefined>();
  return (
    <ListCard
      title="History"
      items={versions}
      error={error}
      empty={<Empty title="It has never been changed" />}
    >
      {versions?.map(({ version, operation, changed, changed_at: at, changed_by: by }, index) => {
        const isShown = shown === String(version);
        return (
          <div key={String(version)} class="notice">
            <p>
              <strong>{operation === "found" ? "was there when its history began" : operation}</strong>
              {changed.length > 0 && <span class="mono"> {changed.join(", ")}</span>}
            </p>
            <p class="muted">
              <Time at={at} withUtc /> by {by}
            </p>
            {isShown && <Differences path={`${path}/diff?to=${version}`} />}
            {index > 0 && operation !== "deleted" && (
              <div class="span row">
                <Act
                  name="Revert"
                  path={`rules/${encodeURIComponent(name)}/revert`}
                  body={{ version }}
                  question={`Make ${name} what it was then? What is in force now stays in the history.`}
                  done="reverted"
                  onDone={() => {
                    reload();
                    onRevert();
                  }}
                />
              </div>
            )}
            {operation === "changed" && (
              <button
                class="quiet end"
                aria-expanded={isShown}
                onClick={() => setShown(isShown ? undefined : String(version))}
              >
                {isShown ? "Hide" : "Show"} what changed
              </button>
            )}
          </div>
        );
      })}
    </ListCard>
  );
}

function Differences({ path }: { path: string }) {
  const { value, error } = useOne<{ differences: readonly Difference[] }>(path);
  if (value === undefined) return <Pending error={error} />;
  return (
    <div class="span">
      {value.differences.map(({ field, from, to }) => (
        <div key={field}>
          <p class="mono">{field}</p>
          <pre class="text before" aria-label="before">
            {textOf(from)}
          </pre>
          <pre class="text after" aria-label="after">
            {textOf(to)}
          </pre>
        </div>
      ))}
    </div>
  );
}

function textOf(value: Json | undefined): string {
  return value === undefined ? "(not there)" : JSON.stringify(value, null, 2);
}
