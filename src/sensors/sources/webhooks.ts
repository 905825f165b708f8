/**
 * The built-in sensor `core.webhooks`.
 *
 * Requests reach any agent with an API, perhaps through a load balancer, so its events do not come from the worker that runs it
 * (webhooks/ receives them, under the name of this sensor). What runs here is what an operator needs of a sensor: it checks the
 * settings of the rules and the keys they name, writes both into its log, and then one line per row of the delivery log, whichever
 * agent answered the request. It stops with the last rule.
 */
import type { Queryable } from "../../database/database.ts";
import { rowOf, rowsOf } from "../../database/statement.ts";
import {
  readLastDeliveryId,
  readNewerDeliveries,
  type DeliveryEntry,
} from "../../database/statements/webhook-deliveries.ts";
import { readWebhookEndpoints, readWebhookKeys } from "../../database/statements/webhook-endpoints.ts";
import { messageOf } from "../../errors/caught.ts";
import type { Id } from "../../model/identifiers.ts";
import { objectOf } from "../../model/json/json.ts";
import { ReportedIds } from "../../model/reported-ids.ts";
import type { EndedRun } from "../../model/sensors/restart-policy.ts";
import { keyRefsOf } from "../../model/webhooks/endpoint-settings.ts";
import { endpointTable } from "../../model/webhooks/endpoint-table.ts";
import { keyProblem } from "../../model/webhooks/webhook-key.ts";
import { quotedText } from "../../model/texts/quoted-text.ts";
import type { Source, SourceContext } from "./source.ts";

export interface WebhookSourceOptions {
  readonly database: Queryable;
}

const lookMs = 2_000;
const linesPerLook = 200;
/** Longer than the statement of an agent that writes rows may take. */
const uncommittedMs = 35_000;

export class WebhookSource implements Source {
  readonly #options: WebhookSourceOptions;
  #haveRulesChanged = true;
  #woken: AbortController = new AbortController();
  #reported = "";

  constructor(options: WebhookSourceOptions) {
    this.#options = options;
  }

  nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  noteRulesChanged(): void {
    this.#haveRulesChanged = true;
    this.#woken.abort("rules changed");
  }

  deafSeconds(): undefined {
    return undefined;
  }

  async close(): Promise<void> {}

  async run(context: SourceContext): Promise<EndedRun> {
    const { clock, stopping } = context;
    const startedMs = clock.monotonicMs();
    context.noteRunning({});
    this.#haveRulesChanged = true;
    let reported: ReportedIds | undefined;
    let isFailing = false;
    while (!stopping.aborted) {
      this.#woken = new AbortController();
      try {
        if (this.#haveRulesChanged) await this.#reportRules(context);
        reported ??= new ReportedIds(await this.#lastDeliveryId(), uncommittedMs);
        await this.#reportDeliveries(context, reported);
        isFailing = false;
      } catch (error) {
        if (!isFailing) context.log([`cannot read rules and deliveries; tried again: ${messageOf(error)}`]);
        isFailing = true;
        this.#haveRulesChanged = true;
      }
      await clock.sleep(lookMs, AbortSignal.any([stopping, this.#woken.signal]));
    }
    return {
      exit: { kind: "exited", code: 0 },
      uptimeMs: clock.monotonicMs() - startedMs,
      hadSuccess: false,
    };
  }

  async #reportRules({ log, warn }: SourceContext): Promise<void> {
    this.#haveRulesChanged = false;
    const { database } = this.#options;
    const rows = await rowsOf(database, readWebhookEndpoints, undefined);
    const rules = rows.flatMap(({ kind, id, ref, packRef, settings }) =>
      kind === "rule" ? [{ id, ref, packRef, params: objectOf(settings) }] : [],
    );
    const { byPath, problems, open } = endpointTable(rules, []);
    const served = [...byPath].flatMap(([path, endpoints]) =>
      [...endpoints].map(([method, endpoint]) => ({ path, method, endpoint })),
    );
    const refs = new Set(served.flatMap(({ endpoint }) => keyRefsOf(endpoint.settings)));
    const known = await rowsOf(database, readWebhookKeys, [...refs]);
    const keys = new Map(known.map((key) => [key.ref, key]));
    const useless = served.flatMap(({ endpoint }) =>
      keyRefsOf(endpoint.settings).flatMap((ref) => {
        const problem = keyProblem(endpoint, keys.get(ref));
        return problem === undefined ? [] : [`the key ${ref} ${problem}`];
      }),
    );
    const lines = [
      ...served.map(
        ({ path, method, endpoint }) =>
          `answers ${method} /webhooks/${path} for ${(endpoint.rules ?? []).map(({ ref }) => ref).join(", ")}`,
      ),
      ...open.map((ref) => `the rule ${ref} checks no sender: anyone who knows its path can make events`),
      ...Array.from(
        new Set(useless),
        (problem) => `${problem}: requests that it should check are answered 503`,
      ),
    ];
    const text = JSON.stringify([lines, problems]);
    if (text === this.#reported) return;
    this.#reported = text;
    log(lines);
    for (const { ref, problem } of problems) warn(`the rule ${ref} is not served: ${problem}`);
  }

  async #lastDeliveryId(): Promise<Id> {
    return (await rowOf(this.#options.database, readLastDeliveryId, undefined)) ?? "0";
  }

  /** Several agents write rows at once, so that one with a lower id may be committed later. */
  async #reportDeliveries(context: SourceContext, reported: ReportedIds): Promise<void> {
    const { passed: afterId, beyond: knownIds } = reported;
    const page = { afterId, knownIds, countMax: linesPerLook };
    const rows = await rowsOf(this.#options.database, readNewerDeliveries, page);
    reported.note(
      rows.map(({ id }) => id),
      context.clock.monotonicMs(),
    );
    if (rows.length === 0) return;
    context.noteOutput();
    context.log(rows.map(lineOf));
  }
}

/** Anyone can send a request, so its texts must not look like other lines. */
function lineOf(entry: DeliveryEntry): string {
  const { verdict, reason, method, path, eventId, deliveryId, remoteAddress, status, requests } = entry;
  const what = requests === 1 ? "" : `${requests} requests, `;
  const where =
    path === null ? `the webhook of ${entry.triggerRef ?? "no trigger"}` : `/webhooks/${quotedText(path)}`;
  const from = remoteAddress === null ? "" : ` from ${quotedText(remoteAddress)}`;
  const delivery = deliveryId === null ? "" : `, delivery ${quotedText(deliveryId)}`;
  const event = eventId === null ? "" : `, event ${eventId}`;
  const why = reason === null ? "" : `: ${reason}`;
  return `${verdict} ${what}${method} ${where}${from}${delivery}${event} (${status})${why}`;
}
