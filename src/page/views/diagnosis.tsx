/** What `attune-sensor-agent doctor` finds, from the agent that serves this page. */
import { Card, Empty, Heading, Pending, State } from "../parts/basics.tsx";
import { FindingNotice, findingMoods } from "../parts/finding-notice.tsx";
import { useFindings } from "../resource.ts";
import type { Finding } from "../types.ts";

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

function Row({ finding }: { finding: Finding }) {
  const { state, subject, detail } = finding;
  const title = (
    <>
      <strong>{subject}</strong> {detail}
    </>
  );
  return (
    <FindingNotice finding={finding} title={title}>
      <State mood={findingMoods[state]}>{state}</State>
    </FindingNotice>
  );
}
