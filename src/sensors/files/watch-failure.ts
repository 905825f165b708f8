import { hasCode, messageOf } from "../../errors/caught.ts";

/** Why a folder cannot be watched, and what to do about it; undefined: it does not exist any more. */
export function watchFailure(error: unknown): string | undefined {
  if (hasCode(error, "ENOENT", "ENOTDIR")) return undefined;
  if (hasCode(error, "ENOSPC")) {
    return "all watches of this user are in use; raise sysctl fs.inotify.max_user_watches";
  }
  if (hasCode(error, "EMFILE")) {
    return "all inotify instances of this user, or all open files of this process, are in use; raise sysctl fs.inotify.max_user_instances, or ulimit -n";
  }
  return messageOf(error);
}
