/** The small parts that all views are made of. */
import { Fragment, type ComponentChildren, type RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { durationText, fullText, localText, utcText } from "../format.ts";
import { hrefOf } from "../route.ts";
import type { Id, Json, SensorState } from "../types.ts";

export type Mood = "good" | "warn" | "bad" | "off" | "plain";

interface Children {
  readonly children?: ComponentChildren;
}

export function Heading({ title, note, children }: { title: string; note?: ComponentChildren } & Children) {
  useEffect(() => {
    document.title = `${title} · Attune sensor agent`;
  }, [title]);
  return (
    <div class="head">
      <div>
        <h1 tabIndex={-1}>{title}</h1>
        {note !== undefined && <p>{note}</p>}
      </div>
      {children !== undefined && <div class="row">{children}</div>}
    </div>
  );
}

export function Card({
  title,
  aside,
  children,
  flush = false,
}: { title: string; aside?: ComponentChildren; flush?: boolean } & Children) {
  return (
    <section class="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {flush ? children : <div class="body">{children}</div>}
    </section>
  );
}

export function Tile({
  name,
  value,
  note,
  mood = "plain",
}: {
  name: string;
  value: ComponentChildren;
  note?: ComponentChildren;
  mood?: Mood;
}) {
  return (
    <dl class={`card tile ${mood}`}>
      <dt>{name}</dt>
      <dd>
        <div class="value">{value}</div>
        <div class="note">{note}</div>
      </dd>
    </dl>
  );
}

/** For a button that takes the place of the one that was pressed, so that the keyboard goes on from there. */
export function useKeptFocus(turn: unknown): RefObject<HTMLButtonElement | null> {
  const button = useRef<HTMLButtonElement>(null);
  const isFirst = useRef(true);
  useEffect(() => {
    if (!isFirst.current && document.activeElement === document.body) button.current?.focus();
    isFirst.current = false;
  }, [turn]);
  return button;
}

export function State({ mood, children }: { mood: Mood } & Children) {
  return <span class={`state ${mood}`}>{children}</span>;
}

const sensorMoods: Readonly<Record<SensorState, Mood>> = {
  running: "good",
  starting: "warn",
  backoff: "warn",
  failed: "bad",
  stopped: "off",
};

export function SensorStateMark({ state, enabled }: { state: SensorState; enabled: boolean }) {
  return enabled ? <State mood={sensorMoods[state]}>{state}</State> : <State mood="off">disabled</State>;
}

export function Empty({ title, children }: { title: string } & Children) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** What a view shows until its data is there. */
export function Pending({ error }: { error: string | undefined }) {
  return error === undefined ? (
    <div class="loading" role="status">
      <span class="hidden">Loading</span>
    </div>
  ) : (
    <div class="body">
      <Failure text={error} />
    </div>
  );
}

/** What the view of one thing shows until that is there. */
export function PendingView({ title, error }: { title: string; error: string | undefined }) {
  return (
    <>
      <Heading title={title} />
      <Pending error={error} />
    </>
  );
}

export function Failure({ text }: { text: string | undefined }) {
  return text === undefined ? null : (
    <p class="error" role="alert">
      {text}
    </p>
  );
}

export function EventLink({ id }: { id: Id | null }) {
  return id === null ? <>–</> : <a href={hrefOf("events", id)}>{id}</a>;
}

/** A ref, which may be broken after its dots and underscores. */
export function Ref({ text }: { text: string }) {
  return (
    <>
      {text.split(/(?<=[._])/).map((part, index) => (
        <Fragment key={index}>
          {index > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </>
  );
}

/** Re-renders every second, for ages. */
function useNow(): Date {
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    const timer = setInterval(() => !document.hidden && setNow(new Date()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** In the viewer's zone, with UTC beside it or, where there is no room, in its title. */
export function Time({ at, withUtc = false }: { at: string | null | undefined; withUtc?: boolean }) {
  if (at === null || at === undefined) return <span class="muted">never</span>;
  const instant = new Date(at);
  return (
    <time dateTime={at} title={`${fullText(instant)} · ${utcText(instant)}`} class="nowrap">
      {withUtc ? fullText(instant) : localText(instant, new Date())}
      {withUtc && <span class="muted small"> · {utcText(instant)}</span>}
    </time>
  );
}

export function Age({ at, suffix = " ago" }: { at: string | null | undefined; suffix?: string }) {
  const now = useNow();
  if (at === null || at === undefined) return <span class="muted">–</span>;
  const instant = new Date(at);
  const seconds = (now.getTime() - instant.getTime()) / 1_000;
  const text =
    seconds < 0 ? `in ${durationText(-seconds)}` : seconds < 1 ? "now" : `${durationText(seconds)}${suffix}`;
  return (
    <time dateTime={at} title={`${fullText(instant)} · ${utcText(instant)}`} class="nowrap">
      {text}
    </time>
  );
}

/** Any value as a tree. Everything in it is text. */
export function Tree({ value, name }: { value: Json; name?: string }) {
  return (
    <div class="tree">
      <Branch name={name} value={value} depth={0} />
    </div>
  );
}

const openDepth = 3;
const shownMax = 200;

function Branch({ name, value, depth }: { name: string | undefined; value: Json; depth: number }) {
  const label = name === undefined ? null : <span class="key-name">{name}: </span>;
  if (value === null || typeof value !== "object") {
    return (
      <div>
        {label}
        <span>{JSON.stringify(value)}</span>
      </div>
    );
  }
  const entries: (readonly [string, Json])[] = Array.isArray(value)
    ? (value as readonly Json[]).map((each, index) => [String(index), each] as const)
    : Object.entries(value);
  const kind = Array.isArray(value) ? `[${entries.length}]` : `{${entries.length}}`;
  return (
    <details open={depth < openDepth}>
      <summary>
        {label}
        <span class="kind">{kind}</span>
      </summary>
      <ul>
        {entries.slice(0, shownMax).map(([key, each]) => (
          <li key={key}>
            <Branch name={key} value={each} depth={depth + 1} />
          </li>
        ))}
        {entries.length > shownMax && <li class="kind">and {entries.length - shownMax} more</li>}
      </ul>
    </details>
  );
}
