/** What other conditions of a rule would have matched among the stored events, compared with the rule as it is. */
import { useState } from "preact/hooks";
import { readLines } from "../api-client.ts";
import { useAttempt } from "../attempt.ts";
import { countOf, countText, durationText, localText } from "../format.ts";
import { Card, Failure, useKeptFocus } from "../parts/basics.tsx";
import { LineChart } from "../parts/drawings.tsx";
import { hrefOf } from "../route.ts";
import type { BacktestLine, Id, Rule } from "../types.ts";

type Result = NonNullable<BacktestLine["done"]>;

const spans = { "1h": "last hour", "24h": "last day", "7d": "last week", "30d": "last 30 days" } as const;

export function Backtest({ rule }: { rule: Rule }) {
  const [text, setText] = useState(() => JSON.stringify(rule.conditions, null, 2));
  const [span, setSpan] = useState("24h");
  const [eventsRead, setEventsRead] = useState(0);
  const [result, setResult] = useState<Result | undefined>();
  const { isBusy, error, attempt, stop } = useAttempt();
  const button = useKeptFocus(isBusy);

  const run = (): Promise<void> => {
    setEventsRead(0);
    setResult(undefined);
    return attempt(async (ending) => {
      JSON.parse(text);
      // Sent as written, since the browser would round large numbers.
      const body = `{"rule":${JSON.stringify(rule.ref)},"since":"${span}","conditions":${text}}`;
      for await (const lines of readLines<BacktestLine>("rules/backtest", body, ending)) {
        for (const { progress, done } of lines) {
          if (progress !== undefined) setEventsRead(progress.events);
          if (done !== undefined) setResult(done);
        }
      }
    });
  };

  return (
    <Card title="Back-test" flush>
      <form
        class="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          void run();
        }}
      >
        <label class="field">
          Events of the
          <select value={span} onChange={({ currentTarget }) => setSpan(currentTarget.value)}>
            {Object.entries(spans).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Conditions to try
          <textarea
            spellcheck={false}
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <div class="row">
          {isBusy ? (
            <button key="stop" ref={button} type="button" onClick={stop}>
              Stop
            </button>
          ) : (
            <button key="run" ref={button} class="primary">
              Run
            </button>
          )}
          <span class="muted small" role="status">
            {isBusy ? `${countOf(eventsRead, "event")} read` : "Nothing is stored or changed."}
          </span>
        </div>
        <Failure text={error} />
      </form>
      {result !== undefined && <Outcome result={result} />}
    </Card>
  );
}

function Outcome({ result }: { result: Result }) {
  const { counts, live, bucket_seconds: seconds, buckets, caught, missed } = result;
  const { hits, liveHits } = filledSeries(buckets, seconds);
  const [first, last] = [buckets[0], buckets.at(-1)];
  const isSame = counts.caught + counts.missed + counts.changed === 0;
  return (
    <>
      <div class={`notice ${isSame ? "good" : "warn"}`}>
        <p>
          <strong>
            These conditions match {countText(counts.hits)} of {countOf(counts.events, "event")}; the rule as
            it is {live === "disabled" ? "would match" : "matches"} {countText(counts.live_hits)}
          </strong>
        </p>
        <Examples count={counts.caught} ids={caught} what="matched only by these conditions" />
        <Examples count={counts.missed} ids={missed} what="matched only by the rule as it is" />
      </div>
      {first !== undefined && last !== undefined && (
        <div class="body">
          <LineChart
            label={`Matches over time: at most ${Math.max(...hits)} by these conditions and ${Math.max(...liveHits)} by the rule as it is in ${durationText(seconds)}`}
            unit={`in ${durationText(seconds)}`}
            first={{ name: "these conditions", values: hits }}
            second={{ name: "as it is", values: liveHits }}
            start={localText(new Date(first.start), new Date())}
            end={localText(new Date(last.start), new Date())}
          />
        </div>
      )}
    </>
  );
}

const examplesMax = 5;

function Examples({ count, ids, what }: { count: number; ids: readonly Id[]; what: string }) {
  return (
    <p class="muted">
      {countText(count)} {what}
      {ids.slice(0, examplesMax).map((id, index) => (
        <span key={String(id)}>
          {index === 0 ? ": " : ", "}
          <a href={hrefOf("events", id)}>{id}</a>
        </span>
      ))}
      {count > examplesMax && " …"}
    </p>
  );
}

/** Adds zeros for the times without events. */
function filledSeries(
  buckets: Result["buckets"],
  seconds: number,
): { readonly hits: readonly number[]; readonly liveHits: readonly number[] } {
  const startMs = Date.parse(buckets[0]?.start ?? "");
  const hits: number[] = [];
  const liveHits: number[] = [];
  for (const { start, hits: count, live_hits: liveCount } of buckets) {
    const index = Math.round((Date.parse(start) - startMs) / (seconds * 1_000));
    while (hits.length < index) {
      hits.push(0);
      liveHits.push(0);
    }
    hits.push(count);
    liveHits.push(liveCount);
  }
  return { hits, liveHits };
}
