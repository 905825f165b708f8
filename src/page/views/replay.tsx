/** Matches an event again with the current rules, after showing what that would store. For admins. */
import { useState } from "preact/hooks";
import { isAdmin, readLines } from "../api-client.ts";
import { useAttempt } from "../attempt.ts";
import { countOf } from "../format.ts";
import { Card, Failure, useKeptFocus } from "../parts/basics.tsx";
import type { ReplayLine } from "../types.ts";

interface Outcome {
  /** Whether the page offers to store it. */
  readonly isOffer: boolean;
  readonly text: string;
}

export function Replay({ id, onDone }: { id: string; onDone: () => void }) {
  const [outcome, setOutcome] = useState<Outcome | undefined>();
  const { isBusy, error, attempt } = useAttempt();
  const button = useKeptFocus(isBusy ? "busy" : outcome);
  if (!isAdmin()) return null;

  const replay = (isDry: boolean): Promise<void> => {
    setOutcome(undefined);
    return attempt(async (ending) => {
      const lines: ReplayLine[] = [];
      const path = `events/${encodeURIComponent(id)}/replay`;
      for await (const more of readLines<ReplayLine>(path, { dry_run: isDry }, ending)) lines.push(...more);
      setOutcome(outcomeOf(lines));
      if (!isDry) onDone();
    });
  };

  return (
    <Card title="Replay">
      <div class="stack">
        <p role="status">
          {outcome?.text ??
            "Match it by the rules as they are now, and store the enforcements that it does not have. First you see what that would store."}
        </p>
        <div class="row">
          {outcome?.isOffer === true ? (
            <>
              <button key="store" ref={button} class="primary" onClick={() => void replay(false)}>
                Store them
              </button>
              <button onClick={() => setOutcome(undefined)}>Cancel</button>
            </>
          ) : (
            <button key="show" ref={button} disabled={isBusy} onClick={() => void replay(true)}>
              Show what it would store
            </button>
          )}
        </div>
        <Failure text={error} />
      </div>
    </Card>
  );
}

function outcomeOf(lines: readonly ReplayLine[]): Outcome {
  const line = lines.find(({ outcome }) => outcome !== undefined);
  if (line?.outcome === "missing") {
    const refs = line.rule_refs ?? [];
    return {
      isOffer: true,
      text: `It would store ${countOf(refs.length, "enforcement")}: ${refs.join(", ")}`,
    };
  }
  const stored = (line?.enforcements ?? []).map(({ id, rule_ref: ref }) => `${id} of ${ref}`);
  if (line?.outcome === "stored")
    return {
      isOffer: false,
      text: `It has stored ${countOf(stored.length, "enforcement")}: ${stored.join(", ")}`,
    };
  if (line?.outcome === "skipped")
    return { isOffer: false, text: `The event was skipped: ${line.reason ?? "no reason was given"}` };
  return lines.some(({ done }) => done !== undefined)
    ? { isOffer: false, text: "Nothing is missing: each rule that matches it has its enforcement." }
    : { isOffer: false, text: "It was interrupted. Try it again." };
}
