/**
 * Webhook requests with a SHA-256 signature, over 16 keep-alive connections.
 *
 * The floor, in turns with what is measured: `POST /events` with the same payload at the same agent. Both store one event a
 * request, so the difference is what finding the endpoint, checking the signature, building the payload and the delivery log cost.
 */
import { createHmac } from "node:crypto";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { openRig } from "../events/pipeline-rig.ts";
import { insertWebhookRule, openWebhookApi } from "../support/webhook-api.ts";
import { insertRule } from "../support/platform-rows.ts";
import { median, report } from "./rig/report.ts";

const rounds = 5;
const seconds = 4;
const connections = 16;
const secret = "a secret of the sender's";
const payload = { device: "thermometer-17", celsius: 21.5, note: "x".repeat(200), tags: ["a", "b", "c"] };
const body = JSON.stringify(payload);
const signature = `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;

await using rig = await openRig();
await insertRule(rig.database, { ref: "demo.rule", triggerRef: "demo.tick" });
await insertWebhookRule(rig, "demo.hook", { path: "hook", secret: "demo.secret" });
await using webhooks = await openWebhookApi(rig, { keys: { "demo.secret": secret } });
const { address } = webhooks.posting.api;

const rates = { webhooks: [] as number[], events: [] as number[] };
for (let round = 0; round < rounds; round += 1) {
  rates.events.push(
    await load(`${address}/api/v1/events`, JSON.stringify({ trigger_ref: "demo.tick", payload }), 201, {}),
  );
  rates.webhooks.push(
    await load(`${address}/webhooks/hook`, body, 200, { "x-webhook-signature": signature }),
  );
}

const ratio = median(rates.webhooks) / median(rates.events);
report("Webhook requests with a SHA-256 signature (requests/s, medians)", [
  {
    what: "stored, by events posted",
    measured: median(rates.webhooks).toFixed(0),
    floor: median(rates.events).toFixed(0),
    ratio,
    required: "at least 0.7 × the floor",
    isReached: ratio >= 0.7,
  },
]);

async function load(
  url: string,
  sent: string,
  status: number,
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  const args = [url, sent, connections, seconds, status, JSON.stringify(headers)].map(String);
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, "rig/http-load.ts"),
    ...args,
  ]);
  const answered: { count: number; others: number; firstOther: string; seconds: number } = JSON.parse(stdout);
  if (answered.others > 0) throw new Error(`not every answer was ${status}: ${answered.firstOther}`);
  return answered.count / answered.seconds;
}
