import type { ExitCode } from "../invocation.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export interface LogRequest {
  readonly ref: string;
  /** Lines from the end, as text. */
  readonly tail: string;
  readonly isFollowing: boolean;
}

/** Prints the end of a sensor's log; with `--follow` until the agent ends the answer, the reader leaves or the command is interrupted. */
export async function printLogs(
  invocation: ClientInvocation,
  { ref, tail, isFollowing }: LogRequest,
): Promise<ExitCode> {
  const request = {
    path: `/api/v1/sensors/${encodeURIComponent(ref)}/logs`,
    query: {
      tail,
      format: invocation.output === "json" ? "json" : "text",
      ...(isFollowing ? { follow: "true" } : {}),
    },
    attempt: `read the log of the sensor ${ref}`,
  };
  for await (const text of clientOf(invocation).follow(request, new AbortController().signal)) {
    if (invocation.isTerminal) printSafely(text, invocation);
    else invocation.printUnchanged(text);
    if (!invocation.hasReader()) break;
  }
  return 0;
}

/** Of a sensor's control characters a terminal gets only colours and line ends of Windows. */
// oxlint-disable-next-line no-control-regex
const harmless = /(\u001b\[[\d;:]*m|\r\n)/;

function printSafely(text: string, { print, printUnchanged }: ClientInvocation): void {
  for (const [index, part] of text.split(harmless).entries()) {
    if (index % 2 === 0) print(part);
    else printUnchanged(part);
  }
}
