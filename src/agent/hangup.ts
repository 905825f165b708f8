/**
 * An agent started with SIGHUP ignored keeps ignoring it, so `nohup attune-sensor-agent &` survives its terminal.
 *
 * Node resets every signal before any JavaScript runs, so JavaScript cannot check. The code that runs before Node
 * checks and sets the variable: build/packing/stub/hangup.c in the executable, scripts/attune-sensor-agent in a clone.
 */
export const hangupVariable = "ATTUNE_IGNORES_HANGUP";

/**
 * Also deletes the variable, which applies to this process and not to its children.
 *
 * @returns whether SIGHUP is ignored from now on
 */
export function keepHangupIgnored(environment: NodeJS.ProcessEnv): boolean {
  const isIgnored = environment[hangupVariable] === "1";
  delete environment[hangupVariable];
  // The default action would end the process.
  if (isIgnored) process.on("SIGHUP", () => {});
  return isIgnored;
}
