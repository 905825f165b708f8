/**
 * Marks a process in a file, so that readers can tell whether it still runs. Ids are reused, so the mark also has the time at which
 * the process started; and an id means something only in the same PID namespace of the same boot.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { hasCode } from "../errors/caught.ts";
import { processStat } from "./process-stat.ts";

export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks since boot; empty where the system does not say. */
  readonly startedAt: string;
  /** Boot and PID namespace. */
  readonly place: string;
}

export function ownMark(): ProcessMark {
  return {
    pid: process.pid,
    startedAt: processStat(process.pid)?.startTime ?? "",
    place: presentPlace(),
  };
}

/** `elsewhere`: in another container or before a reboot, where this process cannot look. */
export function fateOf({ pid, startedAt, place }: ProcessMark): "running" | "ended" | "elsewhere" {
  if (place !== presentPlace()) return "elsewhere";
  const stat = processStat(pid);
  // A zombie has ended, and stays for ever where the first process of a container reaps no orphans.
  if (stat?.isAlive === false) return "ended";
  return isRunning(pid) && (stat?.startTime ?? "") === startedAt ? "running" : "ended";
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, "EPERM"); // Running, as somebody else.
  }
}

function presentPlace(): string {
  const boot = readIfThere("/proc/sys/kernel/random/boot_id")?.trim() ?? "";
  try {
    return `${boot} ${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return boot;
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
