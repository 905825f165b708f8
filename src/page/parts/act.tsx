/** A button that changes something through the API, and says how that went. */
import { useState } from "preact/hooks";
import { change, isAdmin } from "../api-client.ts";

export function Act({
  name,
  path,
  method = "POST",
  done,
  onDone,
}: {
  name: string;
  path: string;
  method?: string;
  /** What to say when it is done. */
  done: string;
  onDone?: () => void;
}) {
  const [outcome, setOutcome] = useState<{ readonly text: string; readonly isBad: boolean } | undefined>();
  const [isBusy, setBusy] = useState(false);
  if (!isAdmin()) return null;
  const act = async (): Promise<void> => {
    setBusy(true);
    setOutcome(undefined);
    try {
      await change(method, path);
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
      <button disabled={isBusy} onClick={() => void act()}>
        {isBusy ? `${name} …` : name}
      </button>
    </>
  );
}
