/**
 * Events that are posted to the API: through the pipeline like all others, but with a time limit.
 *
 *   arrived ──no room──▶ withdrawn
 *      │
 *      └─▶ waiting ──stored, duplicate, moved, refused, fenced──▶ settled
 *             │
 *             └──waitMs──▶ withdrawn, if it is certain not to be stored
 *                             └──otherwise doubtMs──▶ settled after all, or unknown
 *
 * A client waits only for so long, and must then know where it is. "Withdrawn" is a promise that the event is not stored and
 * never will be; it may be sent again without fear of doubling it. Only where an attempt is under way or has lost its
 * answer nobody can say, and the client is told so.
 */
import { setImmediate as arrivals } from "node:timers/promises";
import { classifyDatabaseError } from "../../database/errors.ts";
import type { EventPost, PostOutcome, PostRequest } from "../../model/sensors/posted-event.ts";
import type { Clock } from "../../time/clock.ts";
import type { EventPipeline } from "../event-pipeline.ts";
import type { Pace } from "../../model/sensors/pace.ts";
import { isAssigned } from "../entries.ts";
import type { CheckpointOrder } from "./checkpoint-order.ts";
import { OpenRequest } from "./open-request.ts";
import { PostRoom, type PostRoomLimits } from "./post-room.ts";
import type { Found, PostSources } from "./post-sources.ts";

export interface EventPostsOptions {
  readonly pipeline: Pick<EventPipeline, "submit" | "submitMove">;
  readonly sources: Pick<PostSources, "of">;
  readonly checkpoints: Pick<CheckpointOrder, "prepare">;
  /** A caller waits a little longer while the broker is behind. */
  readonly pace: Pace;
  readonly waitMs: number;
  readonly room?: PostRoomLimits;
  readonly clock: Clock;
}

const roomDefault: PostRoomLimits = { eventsMax: 20_000, bytesMax: 64 * 1_024 * 1_024 };
/** How much longer to wait for the answer to an attempt under way. */
const doubtMs = 2_000;
/** What waits when the agent stops gets this long to be stored. */
const stoppingMs = 1_000;
const retryMs = 250;

export class EventPosts {
  readonly #options: EventPostsOptions;
  readonly #room: PostRoom;
  readonly #open = new Set<OpenRequest>();
  #isStopping = false;

  constructor(options: EventPostsOptions) {
    this.#options = options;
    this.#room = new PostRoom(options.room ?? roomDefault);
  }

  /** Whether a request of that many bytes would find room. */
  hasRoom(caller: string, bytes: number): boolean {
    return !this.#isStopping && this.#room.has(caller, { events: 1, bytes });
  }

  /** What became of each post, in their order. Rejects only because of a bug. */
  async store({ caller, posts, bytes }: PostRequest): Promise<readonly PostOutcome[]> {
    const size = { events: posts.length, bytes };
    if (this.#isStopping || !this.#room.has(caller, size)) return posts.map(() => ({ kind: "withdrawn" }));
    const request = new OpenRequest(posts.length);
    const done = new AbortController();
    this.#room.take(caller, size);
    this.#open.add(request);
    try {
      void this.#submit(request, posts);
      void this.#limit(request, done.signal);
      const outcomes = await request.outcomes;
      const easing = this.#options.pace.ease();
      if (easing !== undefined) await easing;
      return outcomes;
    } finally {
      done.abort("settled");
      this.#open.delete(request);
      this.#room.release(caller, size);
    }
  }

  /** Accepts no more, and settles within moments what waits. */
  stop(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    void this.#withdrawAfter(stoppingMs);
  }

  async #withdrawAfter(ms: number): Promise<void> {
    await this.#options.clock.sleep(ms);
    for (const request of this.#open) request.withdraw();
  }

  async #submit(request: OpenRequest, posts: readonly EventPost[]): Promise<void> {
    try {
      const sources: Found[] = [];
      for (const { origin } of posts) {
        const source = this.#options.sources.of(origin);
        sources.push(source instanceof Promise ? await source : source);
      }
      const moving = posts.findIndex(hasCheckpoint);
      const source = sources[moving];
      if (source !== undefined && isAssigned(source)) await this.#options.checkpoints.prepare(source);
      // Requests that arrived together enter together, and so share a batch: the first would else be stored alone, and all
      // others wait for it.
      await arrivals();
      if (request.isSettled) return;
      for (const [index, post] of posts.entries()) this.#enter(request, index, post, sources[index]);
    } catch (error) {
      if (classifyDatabaseError(error) === "defect") return request.fail(error);
      await this.#options.clock.sleep(retryMs);
      if (!request.isSettled) await this.#submit(request, posts);
    }
  }

  #enter(request: OpenRequest, index: number, post: EventPost, source: Found): void {
    const { pipeline } = this.#options;
    // A person's `source` may be any text.
    if (source === undefined && post.origin.kind === "sensor")
      return request.settle(index, { kind: "sensor gone" });
    if (post.kind === "event") {
      const submitted = pipeline.submit({ ...post.event, source: source ?? null });
      return request.follow(index, submitted, (outcome) => outcome);
    }
    if (source === undefined || source === null) {
      return request.settle(index, {
        kind: "refused",
        reason: "a checkpoint alone needs the token of a sensor",
      });
    }
    const submitted = pipeline.submitMove({ source, checkpoint: post.checkpoint });
    request.follow(index, submitted, (outcome) => (outcome.kind === "stored" ? { kind: "moved" } : outcome));
  }

  async #limit(request: OpenRequest, done: AbortSignal): Promise<void> {
    const { clock, waitMs } = this.#options;
    await clock.sleep(waitMs, done);
    if (done.aborted) return;
    request.withdraw();
    await clock.sleep(doubtMs, done);
    if (!done.aborted) request.giveUp();
  }
}

/** All posts of a request with checkpoints are of one sensor: the token's. */
function hasCheckpoint(post: EventPost): boolean {
  return post.kind === "checkpoint" || post.event.checkpoint !== undefined;
}
