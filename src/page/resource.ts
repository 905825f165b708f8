/** Reads a part of the API for a view: at once, when something changed, and again while the agent does not answer. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiFailure, get } from "./api-client.ts";
import { overviewPaths } from "./early.ts";
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
export function useResource<Value>(path: string | undefined, options: ResourceOptions = {}): Resource<Value> {
  const { value, error, reload } = useRead<Value>(path, options, get);
  return { value, error, reload };
}

export interface ReadOptions<Value> extends ResourceOptions {
  /** Another one: read anew. */
  readonly turn?: unknown;
  /** How many requests reading it took; the more, the rarer it is repeated. */
  readonly costOf?: (value: Value) => number;
}

interface Read<Value> extends Resource<Value> {
  /** Changes the value that is held, until it is read again. */
  readonly change: (of: (value: Value) => Value) => void;
}

export function useRead<Value>(
  path: string | undefined,
  { isLive = false, everyMs = 0, turn, costOf = () => 1 }: ReadOptions<Value>,
  read: (path: string, ending: AbortSignal) => Promise<Value>,
): Read<Value> {
  const [held, hold] = useState<{ path: string; value: Value } | undefined>();
  const [error, setError] = useState<string | undefined>();
  const [reloads, setReloads] = useState(0);
  const changeCount = isLive ? changes.value : 0;
  const isFirst = useRef(true);

  useEffect(() => {
    if (path === undefined) return;
    const ending = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const readOnce = async (): Promise<void> => {
      try {
        const value = await read(path, ending.signal);
        if (ending.signal.aborted) return;
        hold({ path, value });
        setError(undefined);
        if (everyMs > 0) timer = setTimeout(again, everyMs * costOf(value));
      } catch (failure) {
        if (ending.signal.aborted) return;
        setError(messageOf(failure));
        const isPassing = failure instanceof ApiFailure && (failure.status === 0 || failure.status >= 500);
        if (isPassing) timer = setTimeout(() => void readOnce(), retryMs);
      }
    };
    // Nobody looks at a hidden tab.
    const again = (): void => {
      if (document.hidden) timer = setTimeout(again, everyMs);
      else void readOnce();
    };
    if (isFirst.current) void readOnce();
    else timer = setTimeout(() => void readOnce(), gatherMs);
    isFirst.current = false;
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [path, reloads, changeCount, everyMs, turn]);

  return {
    value: held !== undefined && sameResource(held.path, path) ? held.value : undefined,
    error,
    reload: () => setReloads((count) => count + 1),
    change: (of) => hold((before) => before && { ...before, value: of(before.value) }),
  };
}

/** Like `useResource`, for an answer that is one thing instead of a list. */
export function useOne<Value>(path: string, options: ResourceOptions = {}): Resource<Value> {
  const { value, ...more } = useResource<{ readonly data: Value }>(path, options);
  return { value: value?.data, ...more };
}

/** What `attune-sensor-agent doctor` finds, from the agent that serves this page. */
export function useFindings(everyMs: number): Resource<readonly Finding[]> {
  const { value, ...more } = useOne<{ readonly findings: readonly Finding[] }>(overviewPaths.diagnosis, {
    everyMs,
  });
  return { value: value?.findings, ...more };
}

/** Another filter of the same list may show the former answer for a moment; another thing may not. */
function sameResource(one: string, other: string | undefined): boolean {
  return one.split("?")[0] === other?.split("?")[0];
}
