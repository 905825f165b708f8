/** An API that receives webhooks, on the database of a pipeline's rig; several can share one. */
import { createHmac } from "node:crypto";
import type { Clock } from "../../src/time/clock.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import type { JsonObject, JsonValue } from "../../src/model/json/json.ts";
import { DeliveryLog } from "../../src/webhooks/delivery-log.ts";
import { RateLimits } from "../../src/webhooks/rate-limits.ts";
import { WebhookEndpoints } from "../../src/webhooks/webhook-endpoints.ts";
import { WebhookReceiver } from "../../src/webhooks/webhook-receiver.ts";
import { WebhookSecrets } from "../../src/webhooks/webhook-secrets.ts";
import type { PipelineRig } from "../events/pipeline-rig.ts";
import { query } from "./platform-rows.ts";
import { openPostingApi, type PostingApi, type PostingOptions } from "./posting-api.ts";

export interface WebhookApi extends AsyncDisposable {
  readonly posting: PostingApi;
  readonly endpoints: WebhookEndpoints;
  readonly secrets: WebhookSecrets;
  /** Values of keys by ref. */
  readonly keys: Map<string, JsonValue>;
  send(path: string, request?: SentRequest): Promise<Answered>;
}

export interface SentRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | JsonObject;
}

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body's `data`, if it is JSON with such. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface WebhookApiOptions extends PostingOptions {
  readonly keys?: Readonly<Record<string, JsonValue>>;
  /** Of keys that a sensor created. */
  readonly creatorPackRefs?: Readonly<Record<string, string>>;
  /** Of the receiver. */
  readonly receiverClock?: Clock;
}

export async function openWebhookApi(rig: PipelineRig, options: WebhookApiOptions = {}): Promise<WebhookApi> {
  const database = options.database ?? rig.database;
  const clock = options.receiverClock ?? systemClock;
  const keys = new Map(Object.entries(options.keys ?? {}));
  const endpoints = new WebhookEndpoints({ database, logger: silentLogger, clock: systemClock });
  const secrets = new WebhookSecrets(async (ref) => {
    const value = keys.get(ref);
    return value === undefined
      ? undefined
      : { value, creatorPackRef: options.creatorPackRefs?.[ref] ?? null };
  }, systemClock);
  const stopping = new AbortController();
  let written: Promise<void> = Promise.resolve();
  const posting = await openPostingApi(rig, {
    ...options,
    platform: (posts, { metrics }) => {
      const log = new DeliveryLog({ database, metrics, logger: silentLogger, clock: systemClock });
      written = log.run(stopping.signal);
      const webhooks = new WebhookReceiver({
        database,
        endpoints,
        secrets,
        rates: new RateLimits(database, systemClock),
        posts,
        log,
        metrics,
        workerName: "w1",
        logger: silentLogger,
        clock,
      });
      return { webhooks };
    },
  });
  return {
    posting,
    endpoints,
    secrets,
    keys,
    async send(path, { method = "POST", headers = {}, body = { n: 1 } } = {}) {
      const sent = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
      const response = await fetch(`${posting.api.address}${path}`, {
        method,
        headers: { "content-type": "application/json", ...headers },
        ...(method === "GET" ? {} : { body: sent }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, text, data: dataOf(text) };
    },
    async [Symbol.asyncDispose]() {
      await posting[Symbol.asyncDispose]();
      stopping.abort();
      await written;
    },
  };
}

function dataOf(text: string): Readonly<Record<string, unknown>> {
  try {
    const { data }: { data?: Record<string, unknown> } = JSON.parse(text);
    return data ?? {};
  } catch {
    return {};
  }
}

/** A rule of `core.webhook`; its id. */
export async function insertWebhookRule(rig: PipelineRig, ref: string, params: JsonObject): Promise<string> {
  const [row] = await query<{ id: string }>(
    rig.database,
    `insert into rule (ref, trigger, trigger_ref, action_ref, trigger_params, enabled)
     select $1, id, ref, 'demo.act', $2, true from trigger where ref = 'core.webhook'
     returning id::text`,
    [ref, JSON.stringify(params)],
  );
  return row?.id ?? "";
}

export const githubSignature = (secret: string, body: string): Readonly<Record<string, string>> => ({
  "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
});
