/** A button that changes something through the API, and reports the outcome. */
import { useState } from "preact/hooks";
import { change, isAdmin } from "../api-client.ts";
import { useAttempt } from "../attempt.ts";
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
  const { isBusy, error, attempt } = useAttempt();
  const [said, say] = useState<string | undefined>();
  const [isAsked, setAsked] = useState(false);
  const button = useKeptFocus(isBusy ? "busy" : isAsked);
  if (!isAdmin()) return null;
  const act = (): Promise<void> => {
    setAsked(false);
    say(undefined);
    return attempt(async () => {
      await change("POST", path, body);
      say(done);
      onDone?.();
    });
  };
  const outcome = error ?? said;
  return (
    <>
      {outcome !== undefined && (
        <span role="status" class={error === undefined ? "muted" : "error"}>
          {outcome}
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

/** Enables or disables a sensor or rule. */
export function Switch({
  path,
  isEnabled,
  isSaid = false,
  onDone,
}: {
  /** The path of the sensor or rule. */
  path: string;
  isEnabled: boolean;
  /** Whether it confirms the change in words. */
  isSaid?: boolean;
  onDone: () => void;
}) {
  const verb = isEnabled ? "disable" : "enable";
  const name = isEnabled ? "Disable" : "Enable";
  return <Act name={name} path={`${path}/${verb}`} done={isSaid ? `${verb}d` : ""} onDone={onDone} />;
}
