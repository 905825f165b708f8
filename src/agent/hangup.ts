/**
 * An agent that was started with SIGHUP ignored goes on ignoring it: `nohup attune-sensor-agent &` survives its terminal.
 *
 * Node sets every signal to its default before any JavaScript runs, so this process cannot ask. Whoever comes before
 * Node looks, and sets the variable: in the executable build/packing/stub/hangup.c, in a clone scripts/attune-sensor-agent.
 */
export const hangupVariable = "ATTUNE_IGNORES_HANGUP";

/**
 * Takes the variable out of the environment: it is about this process, not about those that it starts.
 *
 * @returns whether SIGHUP is ignored from now on
 */
export function keepHangupIgnored(environment: NodeJS.ProcessEnv): boolean {
  const isIgnored = environment[hangupVariable] === "1";
  delete environment[hangupVariable];
  // Without a handler the default would end the process.
  if (isIgnored) process.on("SIGHUP", () => {});
  return isIgnored;
}
