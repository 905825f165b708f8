// Checks whether an HTTP endpoint answers. It is started for every check, prints one event and exits.
//
// The checkpoint remembers whether the endpoint was up at the previous check, so that `changed` is right across
// restarts and changes of worker.

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

/** An endpoint that does not answer is a result, not a failure of this program. */
async function ask() {
  try {
    const response = await fetch(url, { redirect: "manual", signal: AbortSignal.timeout(timeoutMs) });
    // Only the status matters; an endless body must not block the check.
    await response.body?.cancel();
    return { up: response.status < 500, status: response.status, error: null };
  } catch (error) {
    return { up: false, status: null, error: String(error.cause?.message || error.message) };
  }
}
