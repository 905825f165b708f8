import { readdirSync, readlinkSync } from "node:fs";

/** The files below a folder that this process has open, one for each descriptor. */
export function openFilesBelow(folder: string): string[] {
  return readdirSync("/proc/self/fd")
    .map(linkOf)
    .filter((file) => file.startsWith(folder));
}

/** The descriptor's file; empty if it was closed meanwhile. */
function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return "";
  }
}
