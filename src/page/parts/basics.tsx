/** The small parts that all views are made of. */
import { Fragment, type ComponentChildren, type RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { hrefOf } from "../route.ts";
import type { Id, SensorState } from "../types.ts";

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

/** Moves the focus to a button that replaces the pressed one, so that keyboard users continue from there. */
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

/** What a view shows until its data has arrived. */
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

/** The view of one thing until its data has arrived. */
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
