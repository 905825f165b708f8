/** What `attune-sensor-agent doctor` finds, from the agent that serves this page. */
import { Card, Empty, Heading, Pending, State, type Mood } from "../parts/basics.tsx";
import { useFindings } from "../resource.ts";
import type { Finding } from "../types.ts";

const moods: Readonly<Record<Finding["state"], Mood>> = { good: "good", notice: "warn", wrong: "bad" };
const order: readonly Finding["state"][] = ["wrong", "notice", "good"];

export function DiagnosisView() {
  const { value, error, reload } = useFindings(15_000);
  const findings = (value ?? []).toSorted(
    (one, other) => order.indexOf(one.state) - order.indexOf(other.state),
  );
  const bad = findings.filter(({ state }) => state !== "good");
  const good = findings.filter(({ state }) => state === "good");
  return (
    <>
      <Heading title="Diagnosis" note="As `attune-sensor-agent doctor` sees it, on this agent's machine">
        <button onClick={reload}>Look again</button>
      </Heading>
      <div class="stack">
        {value === undefined && <Pending error={error} />}
        {value !== undefined && (
          <Card title={`${bad.length} to look at`} flush>
            {bad.length === 0 ? (
              <Empty title="Nothing is wrong">Every check below passed.</Empty>
            ) : (
              bad.map((finding) => <Row key={finding.subject + finding.detail} finding={finding} />)
            )}
          </Card>
        )}
        {good.length > 0 && (
          <Card title={`${good.length} in order`} flush>
            {good.map((finding) => (
              <Row key={finding.subject + finding.detail} finding={finding} />
            ))}
          </Card>
        )}
      </div>
    </>
  );
}

function Row({ finding: { state, subject, detail, remedy, lines } }: { finding: Finding }) {
  const mood = moods[state];
  return (
    <div class={`notice ${mood}`}>
      <p>
        <strong>{subject}</strong> {detail}
      </p>
      {remedy !== null && <p class="muted">What to do: {remedy}</p>}
      {lines.length > 0 && (
        <pre class="text" tabIndex={0}>
          {lines.join("\n")}
        </pre>
      )}
      <State mood={mood}>{state}</State>
    </div>
  );
}
