/**
 * Kills the children of an agent that was itself killed.
 *
 * An agent killed with SIGKILL leaves its children behind, alive and writing into closed pipes. So a small
 * shell process outlives it. Over a pipe, the agent reports every group (`+<leader> <start time>`) and its
 * end (`-<leader>`). The pipe closes when the agent dies for any reason; the shell then kills the reported
 * groups and exits.
 *
 *   agent alive ──read fails──▶ kill groups, kill processes with the marker, exit
 *        └──"done"──▶ exit (the agent has stopped all of them itself)
 *
 * If a leader's start time differs, its number was reused and the group is left alone. If the leader is
 * gone, the group is still killed, because a number is reused only once its group is empty too.
 *
 * The guard leads its own session and ignores HUP, INT and TERM, because signals meant for the agent (Ctrl-C,
 * a service manager's SIGTERM to all processes) reach it too and it must end last. If it dies, it is replaced
 * and gets all reports again. Without /bin/sh there is no guard: images without a shell are containers, where
 * the end of the first process ends all others.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import crossSpawn from "cross-spawn";
import { settlesWithin } from "../concurrency/settles-within.ts";
import { processStat } from "../files/process-stat.ts";
import type { Logger } from "../telemetry/logger.ts";

/**
 * Uses only builtins, except for tr and grep in the last part; where a shell exists they usually do too, and
 * without them little is lost. (grep alone does not suffice, because BusyBox grep stops at the first NUL.)
 */
const script = `
trap '' HUP INT TERM PIPE
groups=
while read -r change; do
  case $change in
    done) exit 0 ;;
    +*) change=\${change#+}; groups="$groups \${change% *}:\${change#* }" ;;
    -*) kept=
        for group in $groups; do
          [ "\${group%%:*}" = "\${change#-}" ] || kept="$kept $group"
        done
        groups=$kept ;;
  esac
done
for group in $groups; do
  leader=\${group%%:*}
  line=
  while read -r next; do line=$next; done 2>/dev/null < "/proc/$leader/stat"
  set -- "$1" \${line##*)}
  if [ -z "$line" ] || [ "\${21}" = "\${group#*:}" ]; then
    kill -9 "-$leader" 2>/dev/null
  fi
done
for environment in /proc/[0-9]*/environ; do
  if tr '\\000' '\\n' 2>/dev/null < "$environment" | grep -qF "$1"; then
    marked=\${environment#/proc/}
    kill -9 "\${marked%/environ}" 2>/dev/null
  fi
done 2>/dev/null
`;

const shell = "/bin/sh";
const replaceDelayMs = 1_000;
const exitWaitMs = 2_000;

interface Watched {
  readonly pid: number;
  readonly closed: Promise<void>;
}

export interface ProcessGuard extends AsyncDisposable {
  /**
   * The prefix of this agent's markers. A child with an environment entry that starts with it is killed even
   * after it left its group.
   */
  readonly markerPrefix: string;
  /** Undefined while there is no guard. */
  readonly pid: number | undefined;
  /** Kills the child's group if this process dies before the child is closed. */
  watch(child: Watched): void;
}

/** @param markerName the environment variable that marks children */
export function startGuard(markerName: string, logger: Logger): ProcessGuard {
  return new ShellGuard(`${markerName}=${randomUUID()}.`, logger);
}

class ShellGuard implements ProcessGuard {
  readonly markerPrefix: string;
  readonly #logger: Logger;
  readonly #watched = new Map<number, string>();
  #shell: ChildProcess | undefined;
  #replaceTimer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(markerPrefix: string, logger: Logger) {
    this.markerPrefix = markerPrefix;
    this.#logger = logger;
    if (existsSync(shell)) this.#start();
    else
      logger.debug(
        { shell },
        "there is no shell: if the agent is killed, sensors end only with its container",
      );
  }

  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  watch({ pid, closed }: Watched): void {
    const startTime = processStat(pid)?.startTime;
    if (startTime === undefined) return;
    this.#watched.set(pid, startTime);
    this.#tell(`+${pid} ${startTime}`);
    void this.#forget(pid, closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    clearTimeout(this.#replaceTimer);
    const guard = this.#shell;
    if (guard === undefined) return;
    const exited = once(guard, "exit");
    // If nothing is left to kill, skip reading all of /proc, which takes seconds with many processes.
    if (this.#watched.size === 0) this.#tell("done");
    guard.stdin?.end();
    if (!(await settlesWithin(exited, exitWaitMs))) guard.kill("SIGKILL");
  }

  async #forget(pid: number, closed: Promise<void>): Promise<void> {
    await closed;
    this.#watched.delete(pid);
    this.#tell(`-${pid}`);
  }

  #start(): void {
    const guard = crossSpawn(shell, ["-c", script, "attune-guard", this.markerPrefix], {
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
      cwd: "/",
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#shell = guard;
    guard.once("error", (error) => this.#replace(error.message));
    guard.once("exit", (code, signal) => this.#replace(`exited with ${signal ?? `code ${code}`}`));
    guard.stdin?.on("error", () => {}); // The exit event reports that it is gone.
    // The guard must not keep the agent's event loop alive.
    guard.unref();
    for (const [pid, startTime] of this.#watched) this.#tell(`+${pid} ${startTime}`);
  }

  #replace(reason: string): void {
    this.#shell = undefined;
    if (this.#isDisposed) return;
    this.#logger.warn({ reason }, "replacing the guard process, which kills sensors if the agent crashes");
    this.#replaceTimer = setTimeout(() => this.#start(), replaceDelayMs).unref();
  }

  #tell(change: string): void {
    this.#shell?.stdin?.write(`${change}\n`);
  }
}
