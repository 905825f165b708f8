/** The frame around all views, and the login before it. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiFailure, logIn, logOut, renewSession, session } from "./api-client.ts";
import { useAttempt } from "./attempt.ts";
import { messageOf } from "./caught.ts";
import { connection, follow } from "./live.ts";
import { hrefOf, route } from "./route.ts";
import { chooseTheme, theme, themes } from "./theme.ts";
import { Empty, Failure, Heading } from "./parts/basics.tsx";
import { DeliveriesView } from "./views/deliveries.tsx";
import { DiagnosisView } from "./views/diagnosis.tsx";
import { EventView } from "./views/event.tsx";
import { EventsView } from "./views/events.tsx";
import { FlowView } from "./views/flow.tsx";
import { OverviewView } from "./views/overview.tsx";
import { RuleView } from "./views/rule.tsx";
import { RulesView } from "./views/rules.tsx";
import { SensorView } from "./views/sensor.tsx";
import { SensorsView } from "./views/sensors.tsx";
import { TimerView } from "./views/timer.tsx";
import { TimersView } from "./views/timers.tsx";
import { WorkersView } from "./views/workers.tsx";

interface View {
  readonly title: string;
  readonly list: ComponentType;
  readonly one?: ComponentType<{ readonly name: string }>;
}

const views: Readonly<Record<string, View>> = {
  overview: { title: "Overview", list: OverviewView },
  flow: { title: "Flow", list: FlowView },
  sensors: { title: "Sensors", list: SensorsView, one: SensorView },
  events: { title: "Events", list: EventsView, one: EventView },
  rules: { title: "Rules", list: RulesView, one: RuleView },
  timers: { title: "Timers", list: TimersView, one: TimerView },
  deliveries: { title: "Deliveries", list: DeliveriesView },
  workers: { title: "Workers", list: WorkersView },
  diagnosis: { title: "Diagnosis", list: DiagnosisView },
};

const renewalMs = 600_000;
const retryMs = 2_000;

export function App() {
  const [error, setError] = useState<string | undefined>();
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    const renew = async (): Promise<void> => {
      try {
        await renewSession();
        setError(undefined);
        timer = setTimeout(() => void renew(), renewalMs);
      } catch (failure) {
        if (session.value === undefined) setError(messageOf(failure));
        timer = setTimeout(() => void renew(), retryMs);
      }
    };
    void renew();
    return () => clearTimeout(timer);
  }, []);

  if (session.value === undefined) {
    return (
      <main class="gate" aria-busy={error === undefined}>
        <Failure text={error} />
      </main>
    );
  }
  return session.value.user === null ? <Login /> : <Frame />;
}

function Login() {
  const { isBusy, error, attempt } = useAttempt();
  const needsPassword = session.value?.password_needed !== false;
  const enter = (body: object): Promise<void> => attempt(() => logIn(body));
  useEffect(() => {
    document.title = "Log in · Attune sensor agent";
    if (!needsPassword) void enter({});
  }, [needsPassword]);

  return (
    <main class="gate">
      <form
        class="card"
        onSubmit={(event) => {
          event.preventDefault();
          const fields = new FormData(event.currentTarget);
          void enter({ login: fields.get("login"), password: fields.get("password") });
        }}
      >
        <div class="brand">
          <Mark />
          Attune sensor agent
        </div>
        <h1>Log in</h1>
        <Failure text={error} />
        <label class="field">
          Login
          <input name="login" autocomplete="username" required autofocus />
        </label>
        <label class="field">
          Password
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        <button class="primary" disabled={isBusy}>
          Log in
        </button>
        <p class="muted small">
          New here? Somebody with access to the agent's machine adds you:{" "}
          <code>identity add LOGIN --role viewer</code>
        </p>
      </form>
    </main>
  );
}

function Frame() {
  useEffect(follow, []);
  const { view, name } = route.value;
  const shown = views[view];
  return (
    <div class="frame">
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.querySelector<HTMLElement>("h1")?.focus();
        }}
      >
        Skip to content
      </a>
      <div class="side">
        <a class="brand" href={hrefOf("overview")}>
          <Mark />
          Attune
        </a>
        <nav aria-label="Views">
          <ul>
            {Object.entries(views).map(([key, { title }]) => (
              <li key={key}>
                <a href={hrefOf(key)} aria-current={key === view ? "page" : undefined}>
                  {title}
                </a>
              </li>
            ))}
          </ul>
        </nav>
        <SideEnd />
      </div>
      <main class="main" key={`${view}/${name ?? ""}`}>
        <Shown view={shown} name={name} />
      </main>
    </div>
  );
}

function Shown({ view, name }: { view: View | undefined; name: string | undefined }) {
  if (view !== undefined && name === undefined) return <view.list />;
  if (view?.one !== undefined && name !== undefined) return <view.one name={name} />;
  return (
    <>
      <Heading title="Nothing here" />
      <div class="card">
        <Empty title="There is no such view">
          <a href={hrefOf("overview")}>Go to the overview</a>
        </Empty>
      </div>
    </>
  );
}

const connectionTexts = { live: "Live", connecting: "Waiting for the agent …", paused: "Paused" } as const;

function SideEnd() {
  const user = session.value?.user;
  const [error, setError] = useState<string | undefined>();
  const leave = (): void => {
    logOut().catch((failure: unknown) =>
      setError(failure instanceof ApiFailure ? failure.message : "Could not log out."),
    );
  };
  return (
    <footer>
      <span class={`live ${connection.value === "live" ? "" : "waiting"}`} role="status">
        {connectionTexts[connection.value]}
      </span>
      <div class="segments" role="group" aria-label="Colours">
        {themes.map((each) => (
          <button key={each} aria-pressed={theme.value === each} onClick={() => chooseTheme(each)}>
            {each}
          </button>
        ))}
      </div>
      <span class="row">
        <span>
          {user?.login} <span class="muted">({user?.role})</span>
        </span>
        {session.value?.password_needed === true && (
          <button class="quiet" onClick={leave}>
            Log out
          </button>
        )}
      </span>
      <Failure text={error} />
    </footer>
  );
}

function Mark() {
  return (
    <svg width="24" height="24" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#2557c7" />
      <path
        d="M5 17h5l3-8 5 15 3.5-10 1.5 3h4"
        fill="none"
        stroke="#fff"
        stroke-width="2.4"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
