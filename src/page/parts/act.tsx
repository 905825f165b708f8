/** A button that changes something through the API, and says how that went. */
import { useState } from "preact/hooks";
import { change, isAdmin } from "../api-client.ts";
import { useKeptFocus } from "./basics.tsx";

export function Act({
  name,
  path,
  body = {},
  question,
  done,
  onDone,
}: {
  name: string;
  path: string;
  body?: object;
  /** Asked before it is done. */
  question?: string;
  /** What to say when it is done. */
  done: string;
  onDone?: () => void;
}) {
  const [outcome, setOutcome] = useState<{ readonly text: string; readonly isBad: boolean } | undefined>();
  const [isBusy, setBusy] = useState(false);
  const [isAsked, setAsked] = useState(false);
  const button = useKeptFocus(isBusy ? "busy" : isAsked);
  if (!isAdmin()) return null;
  const act = async (): Promise<void> => {
    setAsked(false);
    setBusy(true);
    setOutcome(undefined);
    try {
      await change("POST", path, body);
      setOutcome({ text: done, isBad: false });
      onDone?.();
    } catch (failure) {
      setOutcome({ text: failure instanceof Error ? failure.message : String(failure), isBad: true });
    }
    setBusy(false);
  };
  return (
    <>
      {outcome !== undefined && (
        <span role="status" class={outcome.isBad ? "error" : "muted"}>
          {outcome.text}
        </span>
      )}
      {question !== undefined && isAsked ? (
        <>
          <span role="status">{question}</span>
          <button key="yes" ref={button} class="primary" onClick={() => void act()}>
            Yes, {name.toLowerCase()}
          </button>
          <button onClick={() => setAsked(false)}>Cancel</button>
        </>
      ) : (
        <button
          ref={button}
          disabled={isBusy}
          onClick={() => (question === undefined ? void act() : setAsked(true))}
        >
          {isBusy ? `${name} …` : name}
        </button>
      )}
    </>
  );
}
