/** Reads a part of the API for a view: at once, when something changed, and again while the agent does not answer. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, get } from "./api-client.ts";
import { messageOf } from "./caught.ts";
import { changes } from "./live.ts";
import type { Finding } from "./types.ts";

export interface Resource<Value> {
  /** The last answer; kept until the next one, so that nothing jumps. */
  readonly value: Value | undefined;
  readonly error: string | undefined;
  readonly reload: () => void;
}

const retryMs = 2_000;
const gatherMs = 300;

export interface ResourceOptions {
  /** Read again when a sensor changes its state, and after the connection was lost. */
  readonly isLive?: boolean;
  /** 0: do not repeat. */
  readonly everyMs?: number;
}

/** @param path undefined: nothing to read */
export function useResource<Value>(
  path: string | undefined,
  { isLive = false, everyMs = 0 }: ResourceOptions = {},
): Resource<Value> {
  const [held, hold] = useState<{ path: string; value: Value } | undefined>();
  const [error, setError] = useState<string | undefined>();
  const [turn, setTurn] = useState(0);
  const changeCount = isLive ? changes.value : 0;
  const isFirst = useRef(true);

  useEffect(() => {
    if (path === undefined) return;
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const read = async (): Promise<void> => {
      try {
        const value = await get<Value>(path, ending.signal);
        hold({ path, value });
        setError(undefined);
        if (everyMs > 0) timer = setTimeout(again, everyMs);
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(messageOf(failure));
        const isPassing = failure instanceof ApiFailure && (failure.status === 0 || failure.status >= 500);
        if (isPassing) timer = setTimeout(() => void read(), retryMs);
      }
    };
    // Nobody looks at a hidden tab.
    const again = (): void => {
      if (document.hidden) timer = setTimeout(again, everyMs);
      else void read();
    };
    if (isFirst.current) void read();
    else timer = setTimeout(() => void read(), gatherMs);
    isFirst.current = false;
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [path, turn, changeCount, everyMs]);

  return {
    value: held !== undefined && sameResource(held.path, path) ? held.value : undefined,
    error,
    reload: () => setTurn((count) => count + 1),
  };
}

/** Like `useResource`, for an answer that is one thing instead of a list. */
export function useOne<Value>(path: string, options: ResourceOptions = {}): Resource<Value> {
  const { value, ...more } = useResource<{ readonly data: Value }>(path, options);
  return { value: value?.data, ...more };
}

/** What `attune-sensor-agent doctor` finds, from the agent that serves this page. */
export function useFindings(everyMs: number): Resource<readonly Finding[]> {
  const { value, ...more } = useOne<{ readonly findings: readonly Finding[] }>("diagnosis", { everyMs });
  return { value: value?.findings, ...more };
}

/** Another filter of the same list may show the former answer for a moment; another thing may not. */
function sameResource(one: string, other: string | undefined): boolean {
  return one.split("?")[0] === other?.split("?")[0];
}
