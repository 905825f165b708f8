import { styleText } from "node:util";

export type Paint = "strong" | "dim" | "good" | "warning" | "bad" | "accent";

export interface FeedStyle {
  readonly isColoured: boolean;
  /** Longer lines are cut. */
  readonly columns: number;
}

const formats = {
  strong: "bold",
  dim: "gray",
  good: "green",
  warning: "yellow",
  bad: "red",
  accent: "cyan",
} as const;

export function painted(paint: Paint, text: string, { isColoured }: FeedStyle): string {
  return isColoured ? styleText(formats[paint], text, { validateStream: false }) : text;
}

/** Reads the terminal's current width, which may change. */
export function feedStyleOf(stdout: NodeJS.WriteStream, environment: NodeJS.ProcessEnv): FeedStyle {
  return {
    isColoured: isColourWanted(environment, stdout.isTTY),
    columns: stdout.isTTY ? stdout.columns : 200,
  };
}

/** Colour on a capable terminal unless NO_COLOR is set (no-color.org); FORCE_COLOR enables it anywhere. */
export function isColourWanted(environment: NodeJS.ProcessEnv, isTerminal: boolean): boolean {
  const isSet = (name: string): boolean => (environment[name] ?? "") !== "";
  if (isSet("NO_COLOR")) return false;
  if (isSet("FORCE_COLOR")) return environment["FORCE_COLOR"] !== "0";
  return isTerminal && environment["TERM"] !== "dumb";
}
