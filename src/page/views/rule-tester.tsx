/** Whether a rule matches a payload, and if not, which condition failed. Nothing is stored. */
import { useState } from "preact/hooks";
import { change, get } from "../api-client.ts";
import { useAttempt } from "../attempt.ts";
import { localText } from "../format.ts";
import { Card, Failure } from "../parts/basics.tsx";
import { Tree } from "../parts/tree.tsx";
import { useResource } from "../resource.ts";
import { Verdict } from "./verdicts.tsx";
import type { EventDetails, EventEntry, List, Rule, RuleExplanation } from "../types.ts";

export function RuleTester({ rule: { ref, trigger_ref: triggerRef } }: { rule: Rule }) {
  const recent = useResource<List<EventEntry>>(
    `events?trigger=${encodeURIComponent(triggerRef)}&page_size=20`,
  ).value;
  const [text, setText] = useState("");
  const [verdict, setVerdict] = useState<RuleExplanation | undefined>();
  const { error, attempt } = useAttempt();

  const choose = (id: string): Promise<void> => {
    setVerdict(undefined);
    return attempt(async () => {
      if (id === "") return;
      const { data } = await get<{ data: EventDetails }>(`events/${encodeURIComponent(id)}`);
      setText(JSON.stringify(data.payload, null, 2));
    });
  };
  const test = (): Promise<void> => {
    setVerdict(undefined);
    return attempt(async () => {
      JSON.parse(text);
      // Sent as written, since the browser would round large numbers.
      const path = `rules/${encodeURIComponent(ref)}/test`;
      const answer = await change<{ data: RuleExplanation }>("POST", path, `{"payload":${text}}`);
      setVerdict(answer.data);
    });
  };

  return (
    <Card title="Try an event" flush>
      <form
        class="body stack"
        onSubmit={(event) => {
          event.preventDefault();
          void test();
        }}
      >
        <label class="field">
          Payload of an event of {triggerRef}
          <select onChange={({ currentTarget }) => void choose(currentTarget.value)}>
            <option value="">written below</option>
            {recent?.items.map(({ id, created }) => (
              <option key={String(id)} value={String(id)}>
                {id}, stored {localText(new Date(created), new Date())}
              </option>
            ))}
          </select>
        </label>
        <label class="field">
          Payload
          <textarea
            spellcheck={false}
            placeholder={'{"celsius": 31}'}
            required
            value={text}
            onInput={({ currentTarget }) => setText(currentTarget.value)}
          />
        </label>
        <div class="row">
          <button class="primary">Try it</button>
          <span class="muted small">Nothing is stored. The rule is taken as it is now, and as enabled.</span>
        </div>
        <Failure text={error} />
      </form>
      <div aria-live="polite">
        {verdict !== undefined && (
          <>
            <Verdict rule={verdict} />
            {verdict.verdict === "matched" && (
              <div class="body">
                <Tree name="parameters" value={verdict.parameters} />
              </div>
            )}
          </>
        )}
      </div>
    </Card>
  );
}
