/** One sensor: what it does, why it does not run, and its log as it is written. */
import { useEffect, useRef, useState } from "preact/hooks";
import { readLines } from "../api-client.ts";
import { messageOf } from "../caught.ts";
import { countOf, durationText, rateText } from "../format.ts";
import { rateOf } from "../live.ts";
import { Act, Switch } from "../parts/act.tsx";
import { Card, Heading, Pending, PendingView, SensorStateMark, State } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { FindingNotice } from "../parts/finding-notice.tsx";
import { GapsCard } from "../parts/gaps-card.tsx";
import { Age, Time } from "../parts/time.tsx";
import { useOne, useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { FencedEvents, List, LogLine, Rule, Sensor, SensorExplanation, SensorStatus } from "../types.ts";

export function SensorView({ name }: { name: string }) {
  const path = `sensors/${encodeURIComponent(name)}`;
  const { value: sensor, error, reload } = useOne<Sensor>(path, { isLive: true, everyMs: 5_000 });
  const status = useOne<SensorStatus>(`${path}/status`, { isLive: true, everyMs: 5_000 });
  // Says more than the status, but may wait for the worker that has the log.
  const explanation = useOne<SensorExplanation>(`${path}/explain`, {
    isLive: true,
    everyMs: 15_000,
  });
  if (sensor === undefined) return <PendingView title={name} error={error} />;
  const { process } = sensor;
  const finding = status.value?.finding;
  const told = explanation.value;
  const refresh = (): void => {
    reload();
    status.reload();
    explanation.reload();
  };
  return (
    <>
      <Heading title={name} note={sensor.description ?? sensor.label}>
        <SensorStateMark state={sensor.state} enabled={sensor.enabled} />
        {sensor.enabled && <Act name="Restart" path={`${path}/restart`} done="restarted" onDone={refresh} />}
        <Switch path={path} isEnabled={sensor.enabled} isSaid onDone={refresh} />
      </Heading>
      <div class="stack">
        <section class="card" aria-label="What it does">
          {finding === undefined ? (
            // As high as one line, so that nothing jumps.
            <div class="notice">
              <p class="muted">Looking …</p>
            </div>
          ) : (
            <FindingNotice
              finding={finding}
              title={
                <strong>{told?.state === finding.state ? told.answer : `${name} ${finding.detail}`}</strong>
              }
            />
          )}
        </section>
        <div class="grid halves">
          <Card title="Process">
            <dl class="facts">
              <dt>Worker</dt>
              <dd>{sensor.worker_name ?? "none"}</dd>
              <dt>Started</dt>
              <dd>
                <Time at={process?.started_at} />
              </dd>
              {typeof process?.next_restart_at === "string" && (
                <>
                  <dt>Next try</dt>
                  <dd>
                    <Age at={process.next_restart_at} />
                  </dd>
                </>
              )}
              <dt>Last output</dt>
              <dd>
                <Age at={process?.last_output_at} />
              </dd>
              <dt>Failures in a row</dt>
              <dd>{process?.failures ?? 0}</dd>
              <dt>Last end</dt>
              <dd>{endOf(sensor)}</dd>
              <dt>Process id</dt>
              <dd>{process?.pid ?? "–"}</dd>
            </dl>
          </Card>
          <Card
            title="Events"
            aside={<a href={hrefOf("events", undefined, { source: name })}>All of them</a>}
          >
            <dl class="facts">
              <dt>Now</dt>
              <dd>
                <span class="row">
                  {rateText(rateOf("sensor", name))} a second
                  <Spark kind="sensor" source={name} />
                </span>
              </dd>
              {told !== undefined && told.fenced !== null && <Fenced {...told.fenced} />}
              <dt>Protocol</dt>
              <dd>{sensor.protocol}</dd>
              <dt>Runtime</dt>
              <dd>{sensor.runtime_ref}</dd>
              <dt>Triggers</dt>
              <dd>{sensor.trigger_refs.join(", ")}</dd>
              <dt>Rules</dt>
              <dd class="links">
                {sensor.trigger_refs.map((ref) => (
                  <RulesOn key={ref} triggerRef={ref} />
                ))}
              </dd>
            </dl>
          </Card>
        </div>
        <Log sensorRef={name} />
        <GapsCard sensorRef={name} />
      </div>
    </>
  );
}

function Fenced({ events, since, last, worker }: FencedEvents) {
  return (
    <>
      <dt>Refused</dt>
      <dd>
        {countOf(events, "event")} <Age at={last} />
        <p class="muted small">
          {worker === null ? "Its former worker" : `Worker ${worker}`} had lost the sensor to another one
          {events > 1 && (
            <>
              ; the first at <Time at={since} />
            </>
          )}
        </p>
      </dd>
    </>
  );
}

const rulesMax = 20;

function RulesOn({ triggerRef }: { triggerRef: string }) {
  const path = `rules?sort=ref&page_size=${rulesMax}&trigger_ref=${encodeURIComponent(triggerRef)}`;
  const { value, error } = useResource<List<Rule>>(path, { everyMs: 15_000 });
  // As high as one rule, so that nothing jumps.
  if (value === undefined) return <p class="muted">{error ?? "Looking …"}</p>;
  const more = value.pagination.total_items - value.items.length;
  return (
    <>
      {value.items.map(({ ref, enabled }) => (
        <p key={ref}>
          <a href={hrefOf("rules", ref)}>{ref}</a> {!enabled && <State mood="off">disabled</State>}
        </p>
      ))}
      {more > 0 && (
        <p>
          <a href={hrefOf("rules", undefined, { trigger: triggerRef })}>and {countOf(more, "other")}</a>
        </p>
      )}
      {value.items.length === 0 && <p class="muted">none on {triggerRef}</p>}
    </>
  );
}

function endOf({ process }: Sensor): string {
  if (process === null || process.stopped_at === null) return "–";
  const how =
    process.signal ??
    (process.exit_code === null ? (process.reason ?? "unknown") : `exit code ${process.exit_code}`);
  const age = (Date.now() - Date.parse(process.stopped_at)) / 1_000;
  return `${how}, ${durationText(Math.max(age, 0))} ago`;
}

const linesMax = 500;
const retryMs = 2_000;

function Log({ sensorRef }: { sensorRef: string }) {
  const [lines, setLines] = useState<readonly LogLine[] | undefined>();
  const [error, setError] = useState<string | undefined>();
  const box = useRef<HTMLPreElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const read = async (): Promise<void> => {
      try {
        const path = `sensors/${encodeURIComponent(sensorRef)}/logs?follow=true&tail=100`;
        let isFirst = true;
        for await (const more of readLines<LogLine>(path, undefined, ending.signal)) {
          const isAnew = isFirst;
          isFirst = false;
          setError(undefined);
          setLines((before = []) => [...(isAnew ? [] : before), ...more].slice(-linesMax));
        }
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(messageOf(failure));
      }
      if (!ending.signal.aborted) timer = setTimeout(() => void read(), retryMs);
    };
    void read();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [sensorRef]);
  useEffect(() => {
    const element = box.current;
    if (element !== null && isAtEnd.current) element.scrollTop = element.scrollHeight;
  }, [lines]);
  return (
    <Card title="Log" aside={<span class="muted small">{error ?? "as it is written"}</span>}>
      {lines === undefined ? (
        <Pending error={undefined} />
      ) : lines.length === 0 ? (
        <p class="muted">Nothing is in its log yet. Programs write here through their standard error.</p>
      ) : (
        <pre
          class="text"
          ref={box}
          tabIndex={0}
          aria-label={`Log of ${sensorRef}`}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            isAtEnd.current = scrollHeight - scrollTop - clientHeight < 24;
          }}
        >
          {lines.map(({ text }) => text).join("\n")}
        </pre>
      )}
    </Card>
  );
}
