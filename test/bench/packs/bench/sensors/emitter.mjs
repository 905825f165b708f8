/**
 * A stream sensor that writes 1 kB lines, `count` of them: at `perSecond`, or as fast as the pipe takes
 * them when that is 0. Every line says when it was written, on the machine's monotonic clock in
 * microseconds; one line in ten has `isTenth`, and all have what the config's `payload` adds. Afterwards it
 * stays, so that it is not started again.
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

const { count, perSecond, payload = {} } = JSON.parse(process.env["ATTUNE_SENSOR_CONFIG_JSON"] ?? "{}");
const filler = "x".repeat(920);
const added = JSON.stringify(payload).slice(1, -1);
const rest = `${added === "" ? "" : `,${added}`},"filler":"${filler}"}}\n`;
const linesPerWrite = 16;

if (perSecond > 0) await emitAtRate();
else await emitUnbounded();
await new Promise(() => setInterval(() => {}, 60_000));

async function emitAtRate() {
  // Anchored: a late line does not delay those after it.
  const startedAt = performance.now();
  for (let sequence = 0; sequence < count; sequence += 1) {
    const dueInMs = startedAt + (sequence * 1_000) / perSecond - performance.now();
    if (dueInMs > 0) await delay(dueInMs);
    process.stdout.write(lineOf(sequence));
  }
}

async function emitUnbounded() {
  for (let sequence = 0; sequence < count;) {
    let lines = "";
    for (let i = 0; i < linesPerWrite && sequence < count; i += 1, sequence += 1) lines += lineOf(sequence);
    if (!process.stdout.write(lines)) await once(process.stdout, "drain");
  }
}

function lineOf(sequence) {
  const writtenAtUs = Number(process.hrtime.bigint() / 1_000n);
  return `{"payload":{"sequence":${sequence},"isTenth":${sequence % 10 === 0},"writtenAtUs":${writtenAtUs}${rest}`;
}
