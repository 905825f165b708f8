/**
 * Goal: while the secret of a webhook, the key of a trigger's webhooks and the encryption key are replaced under running agents,
 * every delivery that is signed with a secret in force is stored once, and none that is not.
 * Method: a sender delivers to two agents in turn throughout, half of its deliveries signed with the old secret, half with the
 * new one. It repeats a delivery only if the agent is stopping or not there, at the other agent, with the same delivery id. The
 * secrets are replaced over the API, and the agents restarted one after the other with the settings that docs/keys.md names.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { repositoryRoot } from "../../scripts/repository.ts";
import { KeyCipher } from "../../src/keys/key-cipher.ts";
import {
  agentFolder,
  ready,
  startAgent,
  type AgentFolder,
  type AgentProcess,
} from "../support/agent-process.ts";
import { query } from "../support/platform-rows.ts";
import { freshDatabase } from "../support/postgres.ts";
import { freshVhost } from "../support/rabbitmq.ts";
import { headersFor } from "../support/tokens.ts";
import { githubSignature } from "../support/webhook-api.ts";

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function post(url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Answer> {
  const all = { ...headers, "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers: all, body });
  return { status: response.status, text: await response.text() };
}

/** Signed with the secret, and without a repetition. */
const deliver = ({ apiUrl }: AgentFolder, secret: string, id: string): Promise<Answer> => {
  const body = JSON.stringify({ id });
  const headers = { ...githubSignature(secret, body), "x-github-delivery": id };
  return post(`${apiUrl}/webhooks/rotated`, headers, body);
};

/** Delivers until it is disposed of. */
class Sender implements AsyncDisposable {
  /** One delivery after the other is signed with the next of them. */
  secrets: readonly string[];
  /** Ids of deliveries that were answered 200. */
  readonly accepted: string[] = [];
  /** All other answers of agents that are not stopping. */
  readonly refusals: Answer[] = [];
  readonly #folders: readonly AgentFolder[];
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(folders: readonly AgentFolder[], secrets: readonly string[]) {
    this.#folders = folders;
    this.secrets = secrets;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Waits until that many more deliveries were accepted. */
  async accepts(count: number): Promise<void> {
    const before = this.accepted.length;
    await expect
      .poll(() => this.accepted.length + this.refusals.length, { timeout: 30_000 })
      .toBeGreaterThanOrEqual(before + this.refusals.length + count);
  }

  async #run(): Promise<void> {
    for (let number = 0; !this.#stopping.signal.aborted; number += 1) {
      const secret = this.secrets[number % this.secrets.length] ?? "";
      // Each secret is used at each agent.
      await this.#deliver(`d-${number}`, secret, Math.floor(number / this.secrets.length));
      await sleep(5);
    }
  }

  async #deliver(id: string, secret: string, turn: number): Promise<void> {
    for (let attempt = turn; ; attempt += 1) {
      const folder = this.#folders[attempt % this.#folders.length];
      const answer = folder && (await deliver(folder, secret, id).catch(() => undefined));
      if (answer?.status === 200) return void this.accepted.push(id);
      if (answer !== undefined && !answer.text.includes("The agent is stopping"))
        return void this.refusals.push(answer);
      await sleep(5);
    }
  }
}

const keyOf = (text: string) => new KeyCipher(text, undefined).currentName;

test(
  "secrets, webhook keys and the encryption key are replaced while deliveries arrive, and none is lost",
  { timeout: 240_000 },
  async () => {
    const [first, second] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
    await using fresh = await freshDatabase();
    await using vhost = await freshVhost();
    const folder = (workerName: string): Promise<AgentFolder> =>
      agentFolder({
        databaseUrl: fresh.url,
        brokerUrl: vhost.url,
        packsDirectory: join(repositoryRoot, "packs"),
        workerName,
      });
    await using one = await folder("one");
    await using two = await folder("two");
    const folders = [one, two];
    await using agents = new AsyncDisposableStack();
    const running = new Map<AgentFolder, AgentProcess>();
    const restart = async (of: AgentFolder, current: string, previous?: string): Promise<void> => {
      await running.get(of)?.[Symbol.asyncDispose]();
      const environment = {
        ATTUNE__SECURITY__ENCRYPTION_KEY: current,
        ...(previous === undefined ? {} : { ATTUNE__SECURITY__ENCRYPTION_KEY_PREVIOUS: previous }),
      };
      const agent = agents.use(await startAgent(of, { environment }));
      running.set(of, agent);
      await ready(agent, of);
    };
    await Promise.all(folders.map((each) => restart(each, first)));
    const headers = await headersFor("admin");
    const api = async (method: string, path: string, body: object = {}): Promise<Record<string, unknown>> => {
      const response = await fetch(`${one.apiUrl}/api/v1${path}`, {
        method,
        headers,
        body: JSON.stringify(body),
      });
      const answer = (await response.json()) as Record<string, unknown>;
      expect([response.status < 300, answer]).toEqual([true, answer]);
      return (answer["data"] ?? {}) as Record<string, unknown>;
    };
    const sealedWith = () =>
      query<{ encryption_key: string }>(fresh.database, "select distinct encryption_key from key");
    const settles = (status: number, send: (to: AgentFolder) => Promise<Answer>) =>
      Promise.all(
        folders.map((to) =>
          expect.poll(async () => (await send(to)).status, { timeout: 10_000 }).toBe(status),
        ),
      );

    await api("POST", "/keys", { ref: "hook.secret", owner_type: "system", name: "Hook", value: "old" });
    await api("POST", "/actions", { ref: "demo.act", label: "Act" });
    await api("POST", "/rules", {
      ref: "demo.rotated",
      trigger_ref: "core.webhook",
      action_ref: "demo.act",
      trigger_params: { path: "rotated", preset: "github", secret: "hook.secret" },
      enabled: true,
    });
    await settles(200, (to) => deliver(to, "old", "begin"));
    await settles(401, (to) => deliver(to, "new", "early"));
    // Repeated at both agents at once, it is one event.
    const repeated = await Promise.all(
      Array.from({ length: 20 }, (_, index) => deliver(index % 2 === 0 ? one : two, "old", "repeated")),
    );
    expect(repeated.map(({ status }) => status)).toEqual(repeated.map(() => 200));
    expect(repeated.filter(({ text }) => !text.includes('"deduplicated":true'))).toHaveLength(1);
    {
      await using sender = new Sender(folders, ["old"]);
      await sender.accepts(20);

      // The overlap: both secrets are accepted, at both agents.
      await api("PUT", "/keys/hook.secret", { value: ["new", "old"] });
      await settles(200, (to) => deliver(to, "new", "overlap"));
      sender.secrets = ["new", "old"];
      await sender.accepts(20);

      // The encryption key, in the two rounds that docs/keys.md describes.
      for (const each of folders) await restart(each, first, second);
      await sender.accepts(20);
      for (const each of folders) await restart(each, second, first);
      await expect.poll(sealedWith, { timeout: 30_000 }).toEqual([{ encryption_key: keyOf(second) }]);
      for (const each of folders) await restart(each, second);
      await sender.accepts(20);

      // The end of the overlap.
      sender.secrets = ["new"];
      await sender.accepts(2);
      await api("PUT", "/keys/hook.secret", { value: "new" });
      await settles(401, (to) => deliver(to, "old", "late"));
      await sender.accepts(20);
      await restart(one, second);
      await settles(401, (to) => deliver(to, "old", "later"));
      await sender.accepts(20);

      await sender[Symbol.asyncDispose]();
      expect(sender.refusals).toEqual([]);
      const stored = await query<{ id: string; count: number }>(
        fresh.database,
        `select payload->'body'->>'id' as id, count(*)::int from event where trigger_ref = 'core.webhook' group by 1`,
      );
      const expected = [...sender.accepted, "begin", "repeated", "overlap"];
      // Accepted only if it came before the agent knew of the end of the old secret.
      if (stored.some(({ id }) => id === "late")) expected.push("late");
      expect(new Map(stored.map(({ id, count }) => [id, count]))).toEqual(
        new Map(expected.map((id) => [id, 1])),
      );
    }

    // The key of a trigger's webhooks has no overlap: the old one ends when the new one begins.
    await api("POST", "/triggers", { ref: "demo.keyed" });
    const keyed = (key: unknown) => (to: AgentFolder) =>
      post(`${to.apiUrl}/api/v1/webhooks/${String(key)}`, {}, '{"payload":{}}');
    const { webhook_key: old } = await api("POST", "/triggers/demo.keyed/webhooks/enable");
    await settles(200, keyed(old));
    const { webhook_key: key } = await api("POST", "/triggers/demo.keyed/webhooks/regenerate");
    await settles(404, keyed(old));
    await settles(200, keyed(key));
    await restart(two, second);
    await settles(404, keyed(old));
    await settles(200, keyed(key));
  },
);
