/** How the agent was called, as its commands see it. */
export interface Invocation {
  /** The process's environment. Read at start only; the bootstrap adds to it. */
  readonly environment: NodeJS.ProcessEnv;
  /** `--config`; undefined: the configuration's own defaults apply. */
  readonly configPath: string | undefined;
  /** `--name`. */
  readonly workerName: string | undefined;
  readonly format: "text" | "json";
  /** Writes what was asked for to stdout. */
  readonly print: (text: string) => void;
  /** Writes to stderr what is not a log line. */
  readonly complain: (text: string) => void;
}

/** 0: done, or stopped by a signal. 1: failed, and said why on stderr. 2: called wrongly. */
export type ExitCode = 0 | 1 | 2;
