/**
 * The protocol `standalone`: one long-running process that uses the platform's API.
 *
 *              ┌──────── cannot be had: tried again, with a growing delay ────────┐
 *              ▼                                                                  │
 *   (start) ─▶ queue emptied ─▶ token minted, in the state file ─▶ rules read ────┘
 *                                                                     │
 *                                                                     ▼
 *   exited unasked: judged  as a failure ◀───────────────────────  running
 *   told to stop: normal, however it ended ◀─────────────────────────┤
 *   stale token, uninformed of its rules: restarted at once ◀────────┤
 *   deaf: stopped, judged as a failure ◀─────────────────────────────┘
 *
 * A failed preparation is the platform's fault, so it does not count as a failure of the sensor; the row shows the reason.
 * A token belongs to one run of the program and to the assignment's term. It is replaced while the program runs
 * (access/token-lease.ts) and revoked when the program has ended, so that no token outlives its process.
 *
 * Every start reads the rules after it emptied the queue. Later changes reach the program as messages, so none is missed,
 * and a queue that outlived an earlier program repeats nothing. A change of rules never ends the program, unless it has
 * no way to hear of it (access/rule-hearing.ts).
 *
 * stdout and stderr are its log. Programs need not handle SIGTERM.
 */
import { messageOf } from "../../errors/caught.ts";
import { backoffDelayMs } from "../../model/sensors/backoff.ts";
import type { EndedRun, Exit } from "../../model/sensors/restart-policy.ts";
import type { SensorRule } from "../../model/definitions.ts";
import type { Child } from "../../processes/child.ts";
import { RuleHearing } from "../access/rule-hearing.ts";
import { tokenRequest } from "../access/token-request.ts";
import { TokenLease } from "../access/token-lease.ts";
import type { AssignmentTerm } from "../../model/sensors/incoming-event.ts";
import type { Variables } from "../launch/sensor-variables.ts";
import type { Platform } from "../ports.ts";
import { logLines, ProcessSource, type Program } from "./process-source.ts";
import type { SourceContext } from "./source.ts";

export interface StandaloneOptions {
  readonly term: AssignmentTerm;
  /** The sensor's rules now. Rejects while the database cannot be asked. */
  readonly readRules: () => Promise<readonly SensorRule[]>;
  readonly tokenTtlSeconds: number;
  /** How long a program may have no way to hear of rule changes. */
  readonly deafAfterMs: number;
  readonly temporaryDir: string;
  readonly random: () => number;
}

interface Start extends AsyncDisposable {
  readonly lease: TokenLease;
  readonly rules: readonly SensorRule[];
  readonly variables: Variables;
}

/** Why the agent ended a program. */
type Intervention =
  { readonly kind: "planned"; readonly why: string } | { readonly kind: "deaf"; readonly how: string };

const retry = { delayMsFirst: 1_000, delayMsMax: 30_000 };

export class StandaloneSource extends ProcessSource {
  readonly #options: StandaloneOptions;
  #hearing: RuleHearing | undefined;

  constructor(program: Program, options: StandaloneOptions) {
    super(program, { variables: {}, isMarkerSought: true });
    this.#options = options;
  }

  override nextRunMs(earliestMs: number): number {
    return earliestMs;
  }

  override noteRulesChanged(): void {
    this.#hearing?.noteRulesChanged();
  }

  override deafSeconds(): number | undefined {
    return this.#hearing?.deafSeconds();
  }

  override async run(context: SourceContext): Promise<EndedRun> {
    const { platform } = this.program;
    if (platform === null) {
      const reason =
        "standalone sensors need the API, which is off on this worker: set api.enabled, or api.url";
      return { exit: { kind: "unstarted", reason }, uptimeMs: 0, hadSuccess: false };
    }
    await using start = await this.#prepare(platform, context);
    if (start === undefined) return stoppedFirst;
    return await this.#runProgram(platform, start, context);
  }

  override async close(): Promise<void> {
    await super.close();
    await this.program.platform?.queues?.remove(this.#ref).catch((error: unknown) => {
      this.program.log.writeOutput([`could not remove the queue for its rule changes: ${messageOf(error)}`]);
    });
  }

  get #ref(): string {
    return this.program.sensor.definition.ref;
  }

  /** Undefined: the sensor is to stop. */
  async #prepare(platform: Platform, context: SourceContext): Promise<Start | undefined> {
    const { clock, stopping, noteObstacle } = context;
    for (let failures = 1; !stopping.aborted; failures += 1) {
      try {
        return await this.#attempt(platform, context);
      } catch (error) {
        const waitMs = Math.round(backoffDelayMs(failures, retry, this.#options.random()));
        noteObstacle(messageOf(error), waitMs);
        await clock.sleep(waitMs, stopping);
      }
    }
    return undefined;
  }

  async #attempt(platform: Platform, { clock, warn }: SourceContext): Promise<Start> {
    const { term, tokenTtlSeconds, temporaryDir, readRules } = this.#options;
    const { definition } = this.program.sensor;
    const { queues, address } = platform;
    await queues?.prepare(definition.ref);
    const lease = await TokenLease.begin({
      platform,
      request: tokenRequest(definition, term, tokenTtlSeconds),
      temporaryDir,
      clock,
      warn,
    });
    try {
      const { token, expiresAtMs } = lease.current;
      const variables = {
        ATTUNE_API_TOKEN: token,
        ATTUNE_API_TOKEN_EXPIRES_AT: new Date(expiresAtMs).toISOString(),
        ATTUNE_SENSOR_TOKEN_STATE_PATH: lease.statePath,
        ATTUNE_NOTIFIER_WS_URL: address.notifierUrl,
        ATTUNE_ALLOW_INSECURE_NOTIFIER_WS: String(address.isInsecureNotifierAllowed),
        ...(await queues?.variables()),
      };
      return {
        lease,
        rules: await readRules(),
        variables,
        [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
      };
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #runProgram(platform: Platform, start: Start, context: SourceContext): Promise<EndedRun> {
    const { clock, stopping } = context;
    const { deafAfterMs } = this.#options;
    const hearing = new RuleHearing({ sensorRef: this.#ref, platform, deafAfterMs, clock });
    this.#hearing = hearing;
    const ended = new AbortController();
    const run = await this.runProcess(
      context,
      async (child) => {
        const startedMs = clock.monotonicMs();
        const intervention = intervene(child, start.lease, hearing, ended.signal);
        const outputRead = logLines(child.stdout, context);
        const exit = await child.exit;
        const uptimeMs = clock.monotonicMs() - startedMs;
        ended.abort();
        await outputRead;
        return { exit, uptimeMs, intervention: await intervention };
      },
      () => start,
    );
    ended.abort();
    this.#hearing = undefined;
    if (run.kind === "unstarted") return { exit: run, uptimeMs: 0, hadSuccess: false };

    const { exit, uptimeMs, intervention } = run.result;
    const ofProgram = { exit, uptimeMs, hadSuccess: false };
    if (intervention === undefined || stopping.aborted) return ofProgram;
    if (intervention.kind === "planned") return { ...ofProgram, plannedFor: intervention.why };
    const deaf: Exit = { kind: "deaf", how: intervention.how };
    return { ...ofProgram, exit: deaf };
  }
}

/** Ends the program when it cannot go on as it is. Undefined: it ended first. */
async function intervene(
  child: Child,
  lease: TokenLease,
  hearing: RuleHearing,
  ended: AbortSignal,
): Promise<Intervention | undefined> {
  const either = new AbortController();
  const signal = AbortSignal.any([ended, either.signal]);
  let intervention: Intervention | undefined;
  const act = (why: Intervention | undefined): void => {
    if (why === undefined || signal.aborted) return;
    intervention = why;
    either.abort();
    child.stop();
  };
  await Promise.all([
    lease.keep(signal).then((isStale) => act(isStale ? staleToken : undefined)),
    hearing.watch(signal).then((unheard) => act(unheard?.kind === "uninformed" ? uninformed : unheard)),
  ]);
  return intervention;
}

const staleToken: Intervention = {
  kind: "planned",
  why: "its token is about to expire, and it has not used the next one",
};
const uninformed: Intervention = {
  kind: "planned",
  why: "its rules changed, and it neither listens for changes nor reads them",
};
const stoppedFirst: EndedRun = {
  exit: { kind: "unstarted", reason: "it was stopped first" },
  uptimeMs: 0,
  hadSuccess: false,
};
