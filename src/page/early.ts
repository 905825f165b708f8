/**
 * Sends the requests of the start page while the session is still being asked for, if there was a session the last time.
 * They need only its cookie; each answer is used once, and one that failed is asked for again.
 */
const key = "attune.session";
const answers = new Map<string, Promise<Response | undefined>>();

/** What the overview reads at first. */
export const overviewPaths = {
  sensors: "sensors?enabled=true&page_size=100",
  workers: "workers?page_size=100",
  timers: "timers?page_size=100",
  gaps: "gaps?page_size=6",
  diagnosis: "diagnosis",
} as const;

export function sendEarly(send: (path: string) => Promise<Response>): void {
  if (!wasLoggedIn()) return;
  for (const path of Object.values(overviewPaths)) answers.set(path, answerOf(send(path)));
}

export function takeEarly(path: string): Promise<Response | undefined> | undefined {
  const answer = answers.get(path);
  answers.delete(path);
  return answer;
}

/** For the next time that the page is opened. */
export function rememberLogin(isLoggedIn: boolean): void {
  try {
    if (isLoggedIn) localStorage.setItem(key, "open");
    else localStorage.removeItem(key);
  } catch {
    // Without storage the page asks one after the other.
  }
}

function wasLoggedIn(): boolean {
  try {
    return localStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}

async function answerOf(response: Promise<Response>): Promise<Response | undefined> {
  try {
    const answer = await response;
    return answer.ok ? answer : undefined;
  } catch {
    return undefined;
  }
}
