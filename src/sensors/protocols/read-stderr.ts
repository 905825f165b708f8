import type { Child } from "../../processes/child.ts";
import { linesOf } from "../../processes/lines.ts";
import type { RunContext } from "./protocol.ts";

const lineBytesMax = 64 * 1024;

/** Reads a child's stderr into its log until the pipe closes. Never waits for anything else. */
export async function readStderr(child: Child, { logStderr }: Pick<RunContext, "logStderr">): Promise<void> {
  for await (const lines of linesOf(child.stderr, lineBytesMax)) logStderr(lines);
}
