/** Commands in the test's own process, for tests of what they do rather than of how the program starts. */
import { runCommandLine } from "../../src/agent/cli.ts";

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export async function runCommand(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  let stdout = "";
  let stderr = "";
  const code = await runCommandLine({
    args,
    environment,
    ignoresHangup: false,
    hasReader: () => true,
    print: (text) => void (stdout += text),
    complain: (text) => void (stderr += text),
  });
  return { code, stdout, stderr };
}
