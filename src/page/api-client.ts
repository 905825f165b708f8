/** Requests to the agent that serves this page, with its session's cookie. */
import { signal } from "@preact/signals";
import { readAnswer } from "./answer.ts";
import type { PageSession } from "./types.ts";

export class ApiFailure extends Error {
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Undefined until the first answer. */
export const session = signal<PageSession | undefined>(undefined);
export const isAdmin = (): boolean => session.value?.user?.role === "admin";

const base = new URL("../api/v1/", document.baseURI);

export function apiUrl(path: string): string {
  return new URL(path, base).href;
}

export async function get<Answer>(path: string, ending?: AbortSignal): Promise<Answer> {
  return await answerOf<Answer>(await send("GET", path, undefined, ending));
}

/** Repeated once with a new token if another tab has renewed the session meanwhile. */
export async function change<Answer>(method: string, path: string, body: object = {}): Promise<Answer> {
  const response = await send(method, path, body);
  if (response.status !== 403) return await answerOf<Answer>(response);
  await renewSession();
  return await answerOf<Answer>(await send(method, path, body));
}

export async function renewSession(): Promise<void> {
  const answer = await get<{ data: PageSession }>("auth/session");
  session.value = answer.data;
}

/** @throws ApiFailure */
export async function logIn(body: object): Promise<void> {
  const answer = await answerOf<{ data: PageSession }>(await send("POST", "auth/session", body));
  session.value = answer.data;
}

export async function logOut(): Promise<void> {
  await send("DELETE", "auth/session", undefined);
  await renewSession();
}

async function send(method: string, path: string, body?: object, ending?: AbortSignal): Promise<Response> {
  const token = session.value?.csrf_token ?? null;
  try {
    return await fetch(apiUrl(path), {
      method,
      credentials: "same-origin",
      headers: {
        accept: "application/json",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(method === "GET" || token === null ? {} : { "x-csrf-token": token }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(ending === undefined ? {} : { signal: ending }),
    });
  } catch (error) {
    if (ending?.aborted === true) throw error;
    throw new ApiFailure(
      "The agent does not answer. It may be restarting; this page tries again by itself.",
      0,
    );
  }
}

async function answerOf<Answer>(response: Response): Promise<Answer> {
  const text = await response.text();
  if (response.ok) return readAnswer<Answer>(text === "" ? "null" : text);
  if (response.status === 401 && session.value !== undefined) {
    session.value = { ...session.value, user: null, csrf_token: null };
  }
  throw failureIn(response.status, text);
}

/** What a failed request says. A proxy in between may answer something else than JSON. */
export function failureIn(status: number, text: string): ApiFailure {
  try {
    const { error } = readAnswer<{ readonly error?: string }>(text);
    if (error !== undefined) return new ApiFailure(error, status);
  } catch {
    // Said below.
  }
  return new ApiFailure(`The agent answered ${status}.`, status);
}
