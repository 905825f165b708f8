/** What the API answers, as far as the page shows it; docs/openapi.json describes all of it. */
export type Id = number | string;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

export interface PageSession {
  readonly user: { readonly login: string; readonly role: string } | null;
  readonly csrf_token: string | null;
  readonly password_needed: boolean;
}

export interface List<Item> {
  readonly items: readonly Item[];
  readonly pagination: {
    readonly total_items: number;
    /** False: there are more. */
    readonly total_exact?: boolean;
    readonly before?: string | null;
    readonly next?: string | null;
    readonly has_next: boolean;
  };
}

export type SensorState = "starting" | "running" | "backoff" | "failed" | "stopped";

export interface Process {
  readonly pid: number | null;
  readonly failures: number;
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly reason: string | null;
  readonly stderr_excerpt: string | null;
  readonly started_at: string | null;
  readonly last_output_at: string | null;
  readonly stopped_at: string | null;
  readonly next_restart_at: string | null;
}

export interface Sensor {
  readonly id: Id;
  readonly ref: string;
  readonly label: string;
  readonly description: string | null;
  readonly trigger_refs: readonly string[];
  readonly runtime_ref: string;
  readonly protocol: string;
  readonly enabled: boolean;
  readonly state: SensorState;
  readonly worker_name: string | null;
  readonly process: Process | null;
}

export interface Finding {
  readonly state: "good" | "notice" | "wrong";
  readonly subject: string;
  readonly detail: string;
  readonly remedy: string | null;
  readonly lines: readonly string[];
}

export interface SensorStatus {
  readonly finding: Omit<Finding, "subject">;
}

export interface SensorExplanation {
  readonly answer: string;
  readonly state: Finding["state"] | null;
  readonly fenced: FencedEvents | null;
}

/** Events that were refused because their worker had lost the sensor. */
export interface FencedEvents {
  readonly events: number;
  readonly since: string;
  readonly last: string;
  readonly worker: string | null;
}

export interface Worker {
  readonly id: Id;
  readonly name: string;
  readonly worker_type: string;
  readonly worker_role: string;
  readonly status: string | null;
  readonly alive: boolean;
  readonly sensors_held: number;
  /** Those of them that are not built-in. */
  readonly capacity_used: number;
  readonly host: string | null;
  readonly capabilities: { readonly [key: string]: Json } | null;
  readonly last_heartbeat: string | null;
}

export interface EventEntry {
  readonly id: Id;
  readonly trigger_ref: string;
  readonly source_ref: string | null;
  readonly rule_ref: string | null;
  readonly dedup_key: string | null;
  readonly occurred_at: string | null;
  readonly created: string;
}

export interface EventDetails extends EventEntry {
  readonly payload: Json;
  readonly config: Json;
}

export interface Enforcement {
  readonly id: Id;
  readonly rule_ref: string;
  readonly event: Id | null;
  readonly action_ref: string | null;
  readonly status: string;
  readonly created: string;
}

export interface Rule {
  readonly id: Id;
  readonly ref: string;
  readonly label: string;
  readonly description: string | null;
  readonly trigger_ref: string;
  readonly action_ref: string;
  readonly enabled: boolean;
  readonly conditions: Json;
  readonly trigger_params: Json;
  readonly action_params: Json;
  /** If the request asks for it. */
  readonly last_matched_at?: string | null;
}

export interface Timer {
  readonly id: Id;
  readonly rule_ref: string;
  readonly label: string;
  readonly trigger_ref: string;
  readonly state: "waiting" | "paused" | "disabled" | "finished" | "invalid";
  readonly problem: string | null;
  readonly note: string | null;
  readonly timezone: string | null;
  readonly next_fire_at: string | null;
  readonly next_fire_local: string | null;
  readonly last_fired_at: string | null;
  readonly execution_count: number;
  readonly skipped_count: number;
  readonly counts: { readonly [outcome: string]: number };
}

export interface Slot {
  readonly outcome: "fired" | "late" | "skipped";
  readonly reason: string | null;
  readonly scheduled_at: string;
  readonly slots: number;
  readonly late_seconds: number | null;
  readonly event: Id | null;
}

export interface TimerDetails extends Timer {
  readonly next_fires: readonly {
    readonly scheduled_at: string;
    readonly local: string;
    readonly due_at: string;
  }[];
  readonly slots: readonly Slot[];
}

export interface Delivery {
  readonly id: Id;
  readonly verdict: "accepted" | "duplicate" | "challenge" | "refused" | "failed";
  readonly reason: string | null;
  readonly trigger_ref: string | null;
  readonly rule_ref: string | null;
  readonly method: string;
  readonly path: string | null;
  readonly event_id: Id | null;
  readonly remote_address: string | null;
  readonly status: number;
  readonly seconds: number;
  readonly created: string;
}

export interface Gap {
  readonly id: Id;
  readonly sensor_ref: string;
  readonly cause: "released" | "lost" | "ended" | "unplaced";
  readonly detail: string | null;
  readonly from_worker: string | null;
  readonly to_worker: string | null;
  readonly began_at: string | null;
  readonly ended_at: string | null;
  readonly open: boolean;
  readonly seconds: number | null;
  readonly created: string;
}

export interface LogLine {
  readonly time: string | null;
  readonly text: string;
}

/** One second of all agents. Numbers are per second. */
export interface Tick {
  readonly at: string;
  readonly events: number;
  readonly enforcements: number;
  readonly sensors: { readonly [ref: string]: number };
  readonly triggers: { readonly [ref: string]: number };
  readonly rules: { readonly [ref: string]: number };
  readonly entries: readonly LiveEvent[];
  /** Refs of sensors whose state changed. */
  readonly changed: readonly string[];
  readonly workers: number;
  readonly fleet: Fleet | null;
}

export interface Fleet {
  readonly workers: number;
  readonly outbox_messages: number;
  readonly outbox_age_seconds: number;
}

export interface LiveEvent {
  readonly id: Id;
  readonly at: string;
  readonly trigger_ref: string;
  readonly sensor_ref: string | null;
  readonly excerpt: string;
}

export interface Snapshot {
  readonly at: string;
  /** Per second up to `at`, the oldest first. */
  readonly events: readonly number[];
  readonly enforcements: readonly number[];
  readonly fleet: Fleet | null;
}

export interface Trigger {
  readonly id: Id;
  readonly ref: string;
  readonly label: string;
  readonly enabled: boolean;
}

export interface RuleExplanation {
  readonly rule_ref: string;
  readonly verdict: string;
  readonly sentence: string;
  readonly failures: readonly {
    readonly place: string;
    readonly sentence: string;
    readonly hint: string | null;
  }[];
  readonly would_match_if: string | null;
  /** Of the action, if it matched. */
  readonly parameters: Json;
  readonly enforcement: {
    readonly id: Id;
    readonly status: string;
    readonly message: string;
    readonly refusal: string | null;
  } | null;
}

export interface BacktestLine {
  readonly progress?: { readonly events: number; readonly created: string };
  readonly done?: {
    readonly live: "enabled" | "disabled" | "none";
    readonly counts: {
      readonly events: number;
      readonly hits: number;
      readonly live_hits: number;
      readonly caught: number;
      readonly missed: number;
      readonly changed: number;
    };
    readonly bucket_seconds: number;
    /** Those with events, in order. */
    readonly buckets: readonly {
      readonly start: string;
      readonly hits: number;
      readonly live_hits: number;
    }[];
    readonly caught: readonly Id[];
    readonly missed: readonly Id[];
  };
}

export interface ReplayLine {
  readonly outcome?: "stored" | "missing" | "skipped";
  readonly enforcements?: readonly { readonly id: Id; readonly rule_ref: string }[];
  readonly rule_refs?: readonly string[];
  readonly reason?: string;
  readonly done?: object;
}

export interface EventExplanation {
  readonly answer: string;
  readonly notes: readonly string[];
  readonly rules: readonly RuleExplanation[];
}

export interface RuleVersion {
  readonly version: Id;
  readonly operation: string;
  readonly changed: readonly string[];
  readonly changed_at: string;
  readonly changed_by: string;
}

export interface Difference {
  readonly field: string;
  readonly from?: Json;
  readonly to?: Json;
}

export interface RuleEvents {
  readonly answer: string;
  readonly matched: number;
  readonly examined: number;
  readonly groups: readonly {
    readonly kind: string;
    readonly reason: string;
    readonly events: number;
    readonly example: Id;
    readonly would_match_if: string | null;
  }[];
}
