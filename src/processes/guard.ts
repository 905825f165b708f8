/**
 * Ends the children of an agent that can no longer do it itself.
 *
 * An agent killed with SIGKILL leaves its children behind, alive and writing into closed pipes. So
 * one tiny shell process outlives it: it is told of every group (`+<leader> <start time>`) and of its
 * end (`-<leader>`) over a pipe. The pipe's other end closes when the agent dies, however it dies.
 * Then the shell kills the groups it was told of and leaves.
 *
 *   told: agent alive ──read fails──▶ kill groups, kill what carries the marker, exit
 *              └──"done"──▶ exit (the agent has ended all of them itself)
 *
 * A leader whose start time is another's is left alone. A leader that is gone does not protect its
 * group: the number is given away only when the group is empty as well.
 *
 * It leads its own session and ignores the polite signals, since those that end the agent (Ctrl-C, a
 * service manager's SIGTERM to everybody) reach it too, and it must be last. If it dies it is
 * replaced and told everything again. Without /bin/sh there is no guard: images without a shell are
 * containers, where the end of the first process ends all others.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import crossSpawn from "cross-spawn";
import { settlesWithin } from "../concurrency/settles-within.ts";
import type { Logger } from "../telemetry/logger.ts";
import { startTimeOf } from "./process-table.ts";

/**
 * Builtins only, but for the last part: tr and grep are wherever a shell is, and if not, little is lost.
 * (grep alone would do, were it not that BusyBox' stops at the first NUL.)
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
   * The beginning of this agent's markers. A child whose environment has an entry that starts with
   * this is ended even after it left its group.
   */
  readonly markerPrefix: string;
  /** Undefined while there is none. */
  readonly pid: number | undefined;
  /** Ends the child's group should this process die before the child is closed. */
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
        "no shell: should the agent be killed, only the end of its container ends sensors",
      );
  }

  get pid(): number | undefined {
    return this.#shell?.pid;
  }

  watch({ pid, closed }: Watched): void {
    const startTime = startTimeOf(pid);
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
    // With nothing left to end it does not read all of /proc, which takes seconds where there are many processes.
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
    guard.once("exit", (code, signal) => this.#replace(`ended with ${signal ?? `code ${code}`}`));
    guard.stdin?.on("error", () => {}); // It is gone; its exit says so.
    // The guard must not keep the agent's event loop alive.
    guard.unref();
    for (const [pid, startTime] of this.#watched) this.#tell(`+${pid} ${startTime}`);
  }

  #replace(reason: string): void {
    this.#shell = undefined;
    if (this.#isDisposed) return;
    this.#logger.warn({ reason }, "the process that ends sensors after a crash of the agent is replaced");
    this.#replaceTimer = setTimeout(() => this.#start(), replaceDelayMs).unref();
  }

  #tell(change: string): void {
    this.#shell?.stdin?.write(`${change}\n`);
  }
}
