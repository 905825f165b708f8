/** One sensor: what it does, why it does not run if it does not, and its log as it is written. */
import { useEffect, useRef, useState } from "preact/hooks";
import { readAnswer } from "../answer.ts";
import { apiUrl, failureIn } from "../api-client.ts";
import { durationText, rateText } from "../format.ts";
import { sparkOf, tick } from "../live.ts";
import { Act } from "../parts/act.tsx";
import { Age, Card, Heading, Pending, SensorStateMark, Time } from "../parts/basics.tsx";
import { Spark } from "../parts/drawings.tsx";
import { useResource } from "../resource.ts";
import { hrefOf } from "../route.ts";
import type { LogLine, Sensor, SensorStatus } from "../types.ts";

export function SensorView({ name }: { name: string }) {
  const path = `sensors/${encodeURIComponent(name)}`;
  const { value, error, reload } = useResource<{ data: Sensor }>(path, { isLive: true, everyMs: 5_000 });
  const status = useResource<{ data: SensorStatus }>(`${path}/status`, { isLive: true, everyMs: 5_000 });
  const sensor = value?.data;
  if (sensor === undefined) {
    return (
      <>
        <Heading title={name} />
        <Pending error={error} />
      </>
    );
  }
  const { process } = sensor;
  const finding = status.value?.data.finding;
  const rate = tick.value?.sensors[name] ?? 0;
  const refresh = (): void => {
    reload();
    status.reload();
  };
  return (
    <>
      <Heading title={name} note={sensor.description ?? sensor.label}>
        <SensorStateMark state={sensor.state} enabled={sensor.enabled} />
        {sensor.enabled && <Act name="Restart" path={`${path}/restart`} done="restarted" onDone={refresh} />}
        {sensor.enabled ? (
          <Act name="Disable" path={`${path}/disable`} done="disabled" onDone={refresh} />
        ) : (
          <Act name="Enable" path={`${path}/enable`} done="enabled" onDone={refresh} />
        )}
      </Heading>
      <div class="stack">
        <section class="card" aria-label="What it does">
          {finding === undefined ? (
            // As high as one line, so that nothing jumps.
            <div class="notice">
              <p class="muted">Looking …</p>
            </div>
          ) : (
            <div
              class={`notice ${finding.state === "wrong" ? "bad" : finding.state === "notice" ? "warn" : "good"}`}
            >
              <p>
                <strong>It {finding.detail}</strong>
              </p>
              {finding.remedy !== null && <p class="muted">What to do: {finding.remedy}</p>}
              {finding.lines.length > 0 && (
                <pre class="text" tabIndex={0}>
                  {finding.lines.join("\n")}
                </pre>
              )}
            </div>
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
                  {rateText(rate)} a second
                  <Spark values={sparkOf("sensor", name)} label={`${rateText(rate)} events a second now`} />
                </span>
              </dd>
              <dt>Protocol</dt>
              <dd>{sensor.protocol}</dd>
              <dt>Runtime</dt>
              <dd>{sensor.runtime_ref}</dd>
              <dt>Triggers</dt>
              <dd>{sensor.trigger_refs.join(", ")}</dd>
              <dt>Rules</dt>
              <dd>{rulesText(status.value?.data)}</dd>
            </dl>
          </Card>
        </div>
        <Log sensorRef={name} />
      </div>
    </>
  );
}

function rulesText(status: SensorStatus | undefined): string {
  if (status === undefined) return "–";
  const { total, effective } = status.rules;
  return effective === 0
    ? `none enabled of ${total}, so it does not run`
    : `${effective} enabled of ${total}`;
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
        await followLog(sensorRef, ending.signal, (more, isFirst) => {
          setError(undefined);
          setLines((before = []) => [...(isFirst ? [] : before), ...more].slice(-linesMax));
        });
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(failure instanceof Error ? failure.message : String(failure));
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

async function followLog(
  sensorRef: string,
  signal: AbortSignal,
  onLines: (lines: readonly LogLine[], isFirst: boolean) => void,
): Promise<void> {
  const url = apiUrl(`sensors/${encodeURIComponent(sensorRef)}/logs?follow=true&tail=100`);
  const response = await fetch(url, { signal, credentials: "same-origin" });
  if (!response.ok || response.body === null) throw failureIn(response.status, await response.text());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let isFirst = true;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const texts = (rest + value).split("\n");
    rest = texts.pop() ?? "";
    const lines = texts.filter((text) => text !== "").map((text) => readAnswer<LogLine>(text));
    onLines(lines, isFirst);
    isFirst = false;
  }
}
