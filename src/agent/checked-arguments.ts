/** Checks of arguments that the API would refuse, made before a command looks for an agent. */
import type { Command } from "commander";
import { pastInstant } from "../model/texts/past-instant.ts";
import { systemClock } from "../time/clock.ts";

/** Of events, enforcements and deliveries, and of versions of rules. */
const idPattern = /^[1-9]\d{0,17}$/;
/** How far this machine's clock may be behind the agent's. */
const clockSlackMs = 60_000;

/** Whether there can be something with this id. */
export function isId(text: string): boolean {
  return idPattern.test(text);
}

/** Ends the command if an argument can be nobody's ref or name: an unset variable of a shell, or what a URL drops. */
export function demandNames(command: Command, names: readonly string[]): void {
  for (const name of names) {
    if (/^\.{0,2}$/.test(name))
      command.error(`error: ${command.name()} takes a name, not ${JSON.stringify(name)}`);
  }
}

/** Ends the command if `--since` names no time in the past. */
export function demandSince(command: Command, text: string | undefined): void {
  demandTime(command, "--since", text);
  const nowMs = systemClock.nowMs();
  // Else a misspelt year would read as "nothing is wrong".
  if (text !== undefined && (pastInstant(text, nowMs)?.getTime() ?? 0) > nowMs + clockSlackMs)
    command.error(`error: --since ${text} is in the future`);
}

/** Ends the command if the option is given and names no time. */
export function demandTime(command: Command, option: string, text: string | undefined): void {
  if (text !== undefined && pastInstant(text, systemClock.nowMs()) === undefined)
    command.error(`error: ${option} takes a time like 2026-01-31T12:00:00Z, or like 24h, not ${text}`);
}
