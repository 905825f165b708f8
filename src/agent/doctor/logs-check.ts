import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Config } from "../../config/schema.ts";
import { good, wrong, type Finding } from "./finding.ts";

/** Whether the sensors' logs can be written; the agent makes their folder with the first of them. */
export async function checkLogs({ logs_dir: folder }: Config): Promise<readonly Finding[]> {
  const place = await nearestExisting(folder);
  try {
    if (!(await stat(place)).isDirectory()) return [unwritable(`${place} is no folder`)];
    await access(place, constants.W_OK | constants.X_OK);
    return [good("logs", `go to ${folder}`)];
  } catch (error) {
    return [unwritable(error instanceof Error ? error.message : String(error))];
  }
}

function unwritable(reason: string): Finding {
  const remedy = "give this user write access, or set logs_dir; sensors run on, but what they log is lost";
  return wrong("logs", `cannot be written: ${reason}`, { remedy });
}

async function nearestExisting(path: string): Promise<string> {
  try {
    await stat(path);
    return path;
  } catch {
    return dirname(path) === path ? path : nearestExisting(dirname(path));
  }
}
