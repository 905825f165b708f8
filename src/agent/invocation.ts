/** A call of the agent, as its commands see it. */
export interface Invocation {
  /** The process's environment. Read at start only; the bootstrap adds to it. */
  readonly environment: NodeJS.ProcessEnv;
  /** `--config`; undefined uses the default locations. */
  readonly configPath: string | undefined;
  /** `--name`. */
  readonly workerName: string | undefined;
  readonly format: "text" | "json";
  /** Writes a command's output to stdout, with escapes for what would steer a terminal. */
  readonly print: (text: string) => void;
  /** Writes to stderr in the same way, for text that is not a log line. */
  readonly complain: (text: string) => void;
}

/** 0: done, or stopped by a signal. 1: failed, with the reason on stderr. 2: invalid arguments, or an input that `rules lint` cannot read. */
export type ExitCode = 0 | 1 | 2;
