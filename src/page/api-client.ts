/** Requests to the agent that serves this page, with its session's cookie. */
import { signal } from "@preact/signals";
import { readAnswer } from "./answer.ts";
import { rememberLogin, sendEarly, takeEarly } from "./early.ts";
import { route } from "./route.ts";
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
  const early = await takeEarly(path);
  return await answerOf<Answer>(early ?? (await send("GET", path, undefined, ending)));
}

/** @param body an object to encode as JSON, or JSON text */
export async function change<Answer>(
  method: string,
  path: string,
  body: object | string = {},
): Promise<Answer> {
  return await answerOf<Answer>(await sendChange(method, path, body));
}

/**
 * An answer of many lines, each a JSON object; it goes on for as long as the work takes.
 *
 * @param body as in `change`; undefined: a GET
 */
export async function* readLines<Line extends object>(
  path: string,
  body: object | string | undefined,
  ending: AbortSignal,
): AsyncGenerator<readonly Line[], void, void> {
  const response = await (body === undefined
    ? send("GET", path, undefined, ending)
    : sendChange("POST", path, body, ending));
  if (!response.ok || response.body === null) throw failed(response.status, await response.text());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const texts = (rest + value).split("\n");
    rest = texts.pop() ?? "";
    const lines = texts
      .filter((text) => text !== "")
      .map((text) => readAnswer<Line & { readonly error?: string }>(text));
    yield lines.filter(({ error }) => error === undefined);
    // Work that failed ends with a line that says why.
    for (const { error } of lines) if (error !== undefined) throw new ApiFailure(error, response.status);
  }
}

/** Repeated once with a new token if another tab has renewed the session meanwhile. */
async function sendChange(
  method: string,
  path: string,
  body: object | string,
  ending?: AbortSignal,
): Promise<Response> {
  const response = await send(method, path, body, ending);
  if (response.status !== 403) return response;
  await renewSession();
  return await send(method, path, body, ending);
}

export async function renewSession(): Promise<void> {
  const answer = await get<{ data: PageSession }>("auth/session");
  session.value = answer.data;
  rememberLogin(answer.data.user !== null);
}

/** @throws ApiFailure */
export async function logIn(body: object): Promise<void> {
  const answer = await answerOf<{ data: PageSession }>(await send("POST", "auth/session", body));
  session.value = answer.data;
  rememberLogin(answer.data.user !== null);
}

export async function logOut(): Promise<void> {
  await send("DELETE", "auth/session", undefined);
  await renewSession();
}

async function send(
  method: string,
  path: string,
  body?: object | string,
  ending?: AbortSignal,
): Promise<Response> {
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
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(ending === undefined ? {} : { signal: ending }),
    });
  } catch (error) {
    if (ending?.aborted === true) throw error;
    throw new ApiFailure("The agent does not answer. It may be restarting; this page keeps trying.", 0);
  }
}

async function answerOf<Answer>(response: Response): Promise<Answer> {
  const text = await response.text();
  if (response.ok) return readAnswer<Answer>(text === "" ? "null" : text);
  throw failed(response.status, text);
}

/** When the session has ended, the page asks for the login again. */
function failed(status: number, text: string): ApiFailure {
  if (status === 401 && session.value !== undefined)
    session.value = { ...session.value, user: null, csrf_token: null };
  return failureIn(status, text);
}

/** The error in a failed answer. A proxy in between may answer with something other than JSON. */
function failureIn(status: number, text: string): ApiFailure {
  try {
    const { error } = readAnswer<{ readonly error?: string }>(text);
    if (error !== undefined) return new ApiFailure(error, status);
  } catch {
    // Not JSON: the status has to do.
  }
  return new ApiFailure(`The agent answered ${status}.`, status);
}

if (route.value.view === "overview") sendEarly((path) => send("GET", path));
