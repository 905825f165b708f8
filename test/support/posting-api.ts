/** An API with a pipeline behind it, on a database of its own, for tests that post events. */
import type { Platform } from "../../src/api/resource-routes.ts";
import type { Api, ApiOptions } from "../../src/api/server.ts";
import { startApi } from "../../src/api/server.ts";
import type { Authenticate } from "../../src/api/authentication.ts";
import { CheckpointOrder } from "../../src/events/posts/checkpoint-order.ts";
import { CloudEventTriggers } from "../../src/events/posts/cloud-event-triggers.ts";
import { EventPosts, type EventPostsOptions } from "../../src/events/posts/event-posts.ts";
import { PostSources } from "../../src/events/posts/post-sources.ts";
import type { Queryable } from "../../src/database/database.ts";
import type { Caller } from "../../src/model/identity/caller.ts";
import type { AssignmentTerm } from "../../src/model/sensors/incoming-event.ts";
import { databaseResources } from "../../src/service/api-parts.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { systemClock } from "../../src/time/clock.ts";
import type { PipelineOptions, PipelineRig, RunningPipeline } from "../events/pipeline-rig.ts";

export interface PostingApi extends AsyncDisposable {
  readonly api: Api;
  readonly posts: EventPosts;
  readonly running: RunningPipeline;
  /** Status, headers and body of a post with that token. */
  post(body: unknown, token?: string, path?: string): Promise<Posted>;
}

export interface Posted {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: { readonly data?: Record<string, unknown> } & Record<string, unknown>;
}

export interface PostingOptions extends PipelineOptions, Partial<EventPostsOptions> {
  /** Through which sensors are looked up. */
  readonly sourcesDatabase?: Queryable;
  /** Further parts of the platform. */
  readonly platform?: (posts: EventPosts, running: RunningPipeline) => Partial<Platform>;
  /** Proxies and certificates. */
  readonly listener?: Pick<ApiOptions, "trustedProxies" | "tls">;
}

const common = { identityId: "7", jti: "j1", expiresAtMs: Number.POSITIVE_INFINITY } as const;

/** Tokens: `admin`, `viewer`, `sensor` (of the rig's sensor under its term), or one of `callers`. */
export async function openPostingApi(
  rig: PipelineRig,
  options: PostingOptions = {},
  callers: Readonly<Record<string, Caller>> = {},
): Promise<PostingApi> {
  const running = await rig.start(options);
  const sources = new PostSources({ database: options.sourcesDatabase ?? rig.database, clock: systemClock });
  const posts = new EventPosts({
    pipeline: running.pipeline,
    sources,
    checkpoints: new CheckpointOrder({
      database: options.sourcesDatabase ?? rig.database,
      raiseIds: (above) => running.pipeline.raiseIds(above),
    }),
    pace: { ease: () => undefined },
    waitMs: 5_000,
    clock: systemClock,
    ...options,
  });
  const triggers = new CloudEventTriggers({ database: rig.database, clock: systemClock });
  const known: Readonly<Record<string, Caller>> = {
    admin: { ...common, login: "ada", role: "admin" },
    viewer: { ...common, login: "vic", role: "viewer" },
    sensor: sensorCaller(rig.source.sensorRef, rig.source.term),
    ...callers,
  };
  const authenticate: Authenticate = async (token) => known[token];
  const api = await startApi({
    section: "api",
    host: "127.0.0.1",
    port: 0,
    health: { version: "1.2.3", workerName: "w1", parts: () => ({}), monotonicMs: () => 0 },
    metrics: { contentType: "text/plain", text: async () => "" },
    platform: {
      authenticate,
      resources: databaseResources(rig.database),
      eventPosts: { posts, clock: systemClock, cloudEvents: { triggers: () => triggers.table() } },
      ...options.platform?.(posts, running),
    },
    ...options.listener,
    logger: silentLogger,
  });
  return {
    api,
    posts,
    running,
    async post(body, token = "sensor", path = "/api/v1/events") {
      const response = await fetch(`${api.address}${path}`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: typeof body === "string" ? body : JSON.stringify(body),
      });
      const { status, headers } = response;
      return {
        status,
        retryAfter: headers.get("retry-after"),
        body: (await response.json()) as Posted["body"],
      };
    },
    async [Symbol.asyncDispose]() {
      posts.stop();
      await api[Symbol.asyncDispose]();
      await running[Symbol.asyncDispose]();
    },
  };
}

export function sensorCaller(
  sensorRef: string,
  term: AssignmentTerm | null,
  triggerRefs: readonly string[] = ["demo.tick"],
): Caller {
  return {
    ...common,
    login: `sensor:${sensorRef}`,
    role: "sensor",
    grant: { sensorRef, triggerRefs, term },
  };
}
