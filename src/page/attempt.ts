/** Work that a form or button of a view starts; its signal aborts when the view closes. */
import { useEffect, useRef, useState } from "preact/hooks";
import { messageOf } from "./caught.ts";

export interface Attempt {
  readonly isBusy: boolean;
  /** Why the last work failed; undefined if somebody stopped it. */
  readonly error: string | undefined;
  readonly attempt: (work: (ending: AbortSignal) => Promise<void>) => Promise<void>;
  readonly stop: () => void;
}

export function useAttempt(): Attempt {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string | undefined>();
  const running = useRef<AbortController | undefined>(undefined);
  const stop = (): void => running.current?.abort();
  useEffect(() => stop, []);
  const attempt = async (work: (ending: AbortSignal) => Promise<void>): Promise<void> => {
    const ending = new AbortController();
    running.current = ending;
    setBusy(true);
    setError(undefined);
    try {
      await work(ending.signal);
    } catch (failure) {
      if (!ending.signal.aborted) setError(messageOf(failure));
    }
    setBusy(false);
  };
  return { isBusy, error, attempt, stop };
}
