// Asks one HTTP endpoint whether it answers. Started anew for every check: it prints one event and ends.
//
// Whether the endpoint was up at the check before is what the checkpoint remembers, so that `changed`
// is right across restarts, and on whichever worker the next check runs.

const { url, timeout_ms: timeoutMs = 3000 } = JSON.parse(process.env.ATTUNE_SENSOR_CONFIG_JSON ?? "{}");
const before = JSON.parse(process.env.ATTUNE_SENSOR_CHECKPOINT ?? "null");

const startedAt = performance.now();
const answer = await ask();
const payload = {
  url,
  ...answer,
  duration_ms: Math.round(performance.now() - startedAt),
  changed: before?.up !== answer.up,
};
process.stdout.write(`${JSON.stringify({ events: [{ payload }], checkpoint: { up: answer.up } })}\n`);

/** That nobody answers is a finding, not a failure of this program. */
async function ask() {
  try {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(timeoutMs) });
    // Only the status counts; an answer without end must not keep us.
    await response.body?.cancel();
    return { up: response.status < 500, status: response.status, error: null };
  } catch (error) {
    return { up: false, status: null, error: String(error.cause?.message || error.message) };
  }
}
