/**
 * Helpers for sensors in Node, 18 and later, without dependencies: copy this file into your pack's lib folder.
 *
 *     import { openSensor } from "../lib/attune-sensor.mjs";
 *
 *     const sensor = openSensor();
 *     let count = sensor.checkpoint ?? 0;
 *     while (await sensor.wait(5_000)) {
 *       count += 1;
 *       await sensor.emit({ count }, { checkpoint: count });
 *     }
 *     sensor.close();
 *
 * The same program works with `protocol: stream`, where an event is a line on stdout, and with `protocol: standalone`,
 * where it is a request to the API. The agent's environment variables tell which one it is.
 *
 * With `standalone`, `sensor.rules` follows every change of a rule: within a second where Node has WebSocket (22 and
 * later), otherwise within five. With `stream`, the agent restarts the program instead.
 */
import { randomUUID } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { format } from "node:util";

/**
 * @typedef {{ id: number, ref: string, triggerRef: string, params: Record<string, unknown> }} Rule
 * @typedef {{ triggerRef?: string, rule?: Rule, dedupKey?: string, occurredAt?: string, checkpoint?: unknown }} EventOptions
 */

/** The event can never be stored. `status` and `code` are those of the API's answer. */
export class EventRefused extends Error {
  name = "EventRefused";

  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** Sets up the end at SIGTERM and SIGINT, and starts to follow changes of rules. */
export function openSensor(environment = process.env) {
  return new Sensor(environment);
}

const repeatable = new Set([401, 408, 429, 500, 502, 503, 504]);
const pollRulesMs = 5_000;

class Sensor {
  #stopping = new AbortController();
  #rules = new Map();
  #listeners = [];
  #send;
  #follower;

  constructor(env) {
    this.ref = variable(env, "ATTUNE_SENSOR_REF") ?? "";
    this.triggerRefs = JSON.parse(variable(env, "ATTUNE_SENSOR_TRIGGER_TYPES") ?? "[]");
    this.config = JSON.parse(variable(env, "ATTUNE_SENSOR_CONFIG_JSON") ?? "{}");
    this.checkpoint = checkpointOf(variable(env, "ATTUNE_SENSOR_CHECKPOINT"));
    for (const entry of JSON.parse(variable(env, "ATTUNE_SENSOR_TRIGGERS") ?? "[]")) {
      const { id, ref, trigger_ref: triggerRef, trigger_params: params } = entry;
      this.#rules.set(id, { id, ref, triggerRef, params: params ?? {} });
    }
    for (const name of ["SIGTERM", "SIGINT"]) process.once(name, () => this.stop());
    const url = env.ATTUNE_API_URL?.replace(/\/+$/, "");
    const token = variable(env, "ATTUNE_API_TOKEN");
    const tokenPath = env.ATTUNE_SENSOR_TOKEN_STATE_PATH;
    // With `stream` there may be a token, too, but neither its file nor its expiry.
    const isStandalone = tokenPath !== undefined || env.ATTUNE_API_TOKEN_EXPIRES_AT !== undefined;
    if (!isStandalone || url === undefined || token === undefined) {
      this.#send = sendLine;
      return;
    }
    const currentToken = tokenReader(token, tokenPath);
    this.#send = (event) => post(`${url}/api/v1/events`, currentToken, event);
    this.#follower = this.#followRules(url, env.ATTUNE_NOTIFIER_WS_URL, currentToken);
  }

  /** The enabled rules now. @returns {readonly Rule[]} */
  get rules() {
    return [...this.#rules.values()];
  }

  get isStopping() {
    return this.#stopping.signal.aborted;
  }

  /** Aborts when the sensor is to stop. */
  get signal() {
    return this.#stopping.signal;
  }

  /** Ends `wait`, now and from now on. */
  stop() {
    this.#stopping.abort();
  }

  /** Sleeps. False as soon as the sensor is to stop. @returns {Promise<boolean>} */
  async wait(milliseconds) {
    await sleep(milliseconds, undefined, { signal: this.signal }).catch(() => {});
    return !this.isStopping;
  }

  /**
   * Calls `listener(rule, isActive)` for every rule now, and for every change from now on. `isActive` is false when the
   * rule was disabled, deleted or moved to a trigger that is not the sensor's.
   */
  onRulesChanged(listener) {
    this.#listeners.push(listener);
    for (const rule of this.rules) listener(rule, true);
  }

  /**
   * Reports an event. Resolves when it is stored (standalone, with its id) or on its way in order (stream). Waits while the
   * platform cannot store it, and tries again until it can.
   *
   * @param payload an object, or any JSON value
   * @param {EventOptions} options a second event of this sensor and trigger with the same dedupKey is not stored;
   *   occurredAt in RFC 3339; a checkpoint, any JSON value but null, is stored together with the event
   * @throws EventRefused if it can never be stored
   */
  async emit(payload, options = {}) {
    const { triggerRef = this.triggerRefs[0], rule, dedupKey, occurredAt, checkpoint } = options;
    return this.#send({
      trigger_ref: triggerRef,
      payload,
      trigger_instance_id: rule === undefined ? undefined : `rule_${rule.id}`,
      dedup_key: dedupKey,
      occurred_at: occurredAt,
      checkpoint,
    });
  }

  /** Writes to the sensor's log. */
  log(...values) {
    process.stderr.write(`${format(...values)}\n`);
  }

  /** Lets the process end. */
  close() {
    this.stop();
    this.#follower?.catch(() => {});
  }

  async #followRules(url, notifierUrl, currentToken) {
    const hasSocket = notifierUrl !== undefined && globalThis.WebSocket !== undefined;
    for (let delayMs = 200; !this.isStopping; delayMs = Math.min(delayMs * 2, 10_000)) {
      try {
        if (hasSocket) await this.#listen(notifierUrl, currentToken, () => (delayMs = 200));
        else await this.#readRules(url, currentToken);
      } catch (error) {
        if (!this.isStopping) this.log(`cannot follow changes of rules: ${error.message}`);
      }
      await this.wait(hasSocket ? delayMs : pollRulesMs);
    }
  }

  /** Until the connection ends. */
  async #listen(url, currentToken, onMessage) {
    // Only sub-protocols can carry a token here.
    const socket = new WebSocket(url, ["attune.v1", `attune.jwt.${currentToken()}`]);
    const end = () => socket.close();
    this.signal.addEventListener("abort", end, { once: true });
    try {
      await new Promise((resolve, reject) => {
        socket.addEventListener("open", () => {
          for (const ref of this.triggerRefs)
            socket.send(JSON.stringify({ type: "subscribe", filter: `trigger_ref:${ref}` }));
        });
        socket.addEventListener("message", ({ data }) => {
          onMessage();
          this.#apply(JSON.parse(data));
        });
        socket.addEventListener("error", () => reject(new Error("the connection failed")));
        socket.addEventListener("close", resolve);
      });
    } finally {
      this.signal.removeEventListener("abort", end);
    }
  }

  #apply({ type, entity_type: entityType, message, payload }) {
    if (type === "error") this.log(`the platform refused: ${message}`);
    if (type !== "notification" || entityType !== "rule_lifecycle") return;
    const { event_type: eventType, rule_id: id, rule_ref: ref, trigger_ref: triggerRef } = payload;
    const rule = { id, ref, triggerRef, params: payload.trigger_params ?? {} };
    const isEnd = /^(rule\.)?(Rule)?(deleted|disabled)$/i.test(eventType);
    this.#setRule(rule, !isEnd && payload.active !== false);
  }

  async #readRules(url, currentToken) {
    const found = new Map();
    for (const ref of this.triggerRefs) {
      const response = await fetch(`${url}/api/v1/triggers/${encodeURIComponent(ref)}/rules`, {
        headers: { authorization: `Bearer ${currentToken()}` },
        signal: AbortSignal.any([this.signal, AbortSignal.timeout(30_000)]),
      });
      if (!response.ok) throw new Error(`the platform answered ${response.status}`);
      const body = await response.json();
      for (const { id, ref: ruleRef, enabled, trigger_params: params } of body.items ?? body.data)
        if (enabled) found.set(id, { id, ref: ruleRef, triggerRef: ref, params: params ?? {} });
    }
    for (const rule of this.rules) if (!found.has(rule.id)) this.#setRule(rule, false);
    for (const rule of found.values()) this.#setRule(rule, true);
  }

  /** Applies what the platform said about a rule, and tells the listeners if it is news. */
  #setRule(rule, isActive) {
    const known = this.#rules.get(rule.id);
    if (isActive && this.triggerRefs.includes(rule.triggerRef)) {
      if (known !== undefined && JSON.stringify(known) === JSON.stringify(rule)) return;
      this.#rules.set(rule.id, rule);
      for (const listener of this.#listeners) listener(rule, true);
      return;
    }
    // Where it left another trigger before it came to this one, that is no news.
    if (known === undefined || known.triggerRef !== rule.triggerRef) return;
    this.#rules.delete(rule.id);
    for (const listener of this.#listeners) listener(rule, false);
  }
}

/** The value of a variable, or the contents of the file that replaces a value too large for the environment. */
function variable(env, name) {
  const path = env[`${name}_FILE`];
  return env[name] ?? (path === undefined ? undefined : readFileSync(path, "utf8"));
}

/** Text was stored as it is, everything else as JSON; text that is also JSON cannot be told apart. */
function checkpointOf(text) {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `stream`: resolves once the pipe has taken the line. */
function sendLine(event) {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${JSON.stringify(event)}\n`, (error) =>
      error ? reject(error) : resolve(undefined),
    );
  });
}

/** `standalone`: repeated until the platform has answered. */
async function post(url, currentToken, event) {
  // A request whose answer was lost is repeated, so every event needs a key by which the platform knows it.
  const body = JSON.stringify({ ...event, dedup_key: event.dedup_key ?? randomUUID() });
  for (let delayMs = 200; ; delayMs = Math.min(delayMs * 2, 10_000)) {
    let pauseMs = delayMs;
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { authorization: `Bearer ${currentToken()}`, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(30_000),
      });
      const answer = await response.json();
      if (response.ok) return answer.data.id;
      if (!repeatable.has(response.status))
        throw new EventRefused(response.status, answer.code, answer.error);
      const retryAfter = Number(response.headers.get("retry-after"));
      if (retryAfter > 0) pauseMs = Math.min(retryAfter * 1_000, 30_000);
    } catch (error) {
      if (error instanceof EventRefused) throw error;
    }
    // Also while stopping: the event was promised. The agent ends a process that takes too long.
    await sleep(pauseMs);
  }
}

/** The newest token: the agent writes it to a file before the old one expires. */
function tokenReader(initial, path) {
  let token = initial;
  let readAt;
  return () => {
    if (path === undefined) return token;
    try {
      const { mtimeMs } = statSync(path);
      if (mtimeMs !== readAt) token = JSON.parse(readFileSync(path, "utf8")).token ?? token;
      readAt = mtimeMs;
    } catch {
      // Without a file, or with one that is not JSON, the last token counts.
    }
    return token;
  };
}
