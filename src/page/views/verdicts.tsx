/** The verdict of every rule on an event's trigger when the event was stored, with the reason. */
import { Card, Empty, Pending, State, type Mood } from "../parts/basics.tsx";
import { hrefOf } from "../route.ts";
import type { EventExplanation, RuleExplanation } from "../types.ts";

const moods: Readonly<Record<string, Mood>> = { matched: "good", invalid: "bad", "too-long": "bad" };
const verdictTexts: Readonly<Record<string, string>> = {
  unmatched: "did not match",
  "too-long": "parameters too long",
  "aimed-elsewhere": "for another rule",
  "other-trigger": "another trigger",
  "not-yet": "not there yet",
};

interface VerdictsProperties {
  /** Undefined: not read, for the reason that `error` gives. */
  explanation: EventExplanation | undefined;
  error: string | undefined;
}

export function Verdicts({ explanation, error }: VerdictsProperties) {
  return (
    <Card title="What the rules said" flush>
      {explanation === undefined ? (
        <Pending error={error} />
      ) : (
        <>
          <div class="notice">
            <p>
              <strong>{explanation.answer}</strong>
            </p>
            {explanation.notes.map((note) => (
              <p key={note} class="muted">
                {note}
              </p>
            ))}
          </div>
          {explanation.rules.length === 0 ? (
            <Empty title="No rule waited for its trigger">A rule on its trigger would have been asked.</Empty>
          ) : (
            explanation.rules.map((rule) => <Verdict key={rule.rule_ref} rule={rule} />)
          )}
        </>
      )}
    </Card>
  );
}

export function Verdict({ rule }: { rule: RuleExplanation }) {
  const { rule_ref: ref, verdict, sentence, failures, would_match_if: wish, enforcement } = rule;
  const mood = moods[verdict] ?? "off";
  return (
    <div class={`notice ${mood}`}>
      <p>
        <a href={hrefOf("rules", ref)}>{ref}</a>
      </p>
      {failures.length === 0 && verdict !== "matched" && <p class="muted">{sentence}</p>}
      {failures.map(({ place, sentence: reason, hint }) => (
        <p key={place + reason}>
          <span class="mono muted">{place}</span> {reason}
          {hint !== null && <span class="muted"> ({hint})</span>}
        </p>
      ))}
      {wish !== null && <p class="muted">It would match if {wish}.</p>}
      {enforcement !== null && (
        <p class="muted">
          Enforcement {enforcement.id}, {enforcement.status}; its message is{" "}
          {enforcement.message === "confirmed" ? "delivered" : enforcement.message}
          {enforcement.refusal !== null && `: ${enforcement.refusal}`}
        </p>
      )}
      <State mood={mood}>{verdictTexts[verdict] ?? verdict}</State>
    </div>
  );
}
