/**
 * The rights that the role of a running agent needs, in addition to `connect` on the database and `usage` on the schema,
 * if it does not own the schema. Applying migrations needs more. Triggers run their functions without a right. The
 * functions that add and drop partitions and note unplaced sensors run with the owner's rights and do nothing else; everybody may execute
 * are_rules_current and is_rule_current, which read with the caller's rights.
 *
 * A test (test/database/rights/needed-rights.test.ts) runs every statement of an agent as a role with exactly these rights.
 */
export interface NeededRight {
  readonly kind: "table" | "sequence" | "function";
  /** Of a function with the types of its parameters. */
  readonly name: string;
  readonly privileges: readonly ("select" | "insert" | "update" | "delete" | "usage" | "execute")[];
}

const tables = {
  schema_migration: ["select"],
  // Definitions are made and changed over the API.
  pack: ["select", "insert", "update", "delete"],
  runtime: ["select", "insert", "update", "delete"],
  trigger: ["select", "insert", "update", "delete"],
  action: ["select", "insert", "update", "delete"],
  sensor: ["select", "insert", "update", "delete"],
  sensor_trigger: ["select", "insert", "delete"],
  rule: ["select", "insert", "update", "delete"],
  rule_revision: ["select", "update"],
  rule_change: ["select"],
  rule_commit: ["select"],
  rule_version: ["select", "delete"],
  trigger_revision: ["select"],
  rule_message: ["select"],
  rule_tombstone: ["select"],
  timer_rule: ["select"],
  timer_cursor: ["select", "insert", "update", "delete"],
  timer_slot: ["select", "insert", "update", "delete"],
  rule_problem: ["select", "insert", "update", "delete"],
  worker: ["select", "insert", "update"],
  sensor_assignment: ["select", "insert", "update"],
  sensor_process: ["select", "insert", "update"],
  // Written by triggers, which run with the owner's rights.
  sensor_gap: ["select"],
  sensor_checkpoint: ["select", "insert", "update"],
  sensor_queue: ["select", "insert", "update", "delete"],
  runtime_verification: ["select", "insert", "update", "delete"],
  installation: ["select", "update"],
  event: ["select", "insert"],
  enforcement: ["select", "insert"],
  event_key: ["select", "insert"],
  // A view, which is granted like a table.
  event_key_known: ["select"],
  schema_sample: ["select", "insert", "update", "delete"],
  schema_memory: ["select", "insert", "update", "delete"],
  outbox: ["select", "insert", "update", "delete"],
  outbox_owner: ["select", "insert", "update", "delete"],
  key: ["select", "insert", "update", "delete"],
  worker_request: ["select", "insert", "update", "delete"],
  webhook_delivery: ["select", "insert", "delete"],
  webhook_rate: ["select", "insert", "update", "delete"],
  webhook_nonce: ["select", "insert", "update", "delete"],
  identity: ["select", "insert", "update", "delete"],
  revoked_token: ["select", "insert", "update", "delete"],
  signing_key: ["select", "insert"],
  login_attempt: ["select", "insert", "update", "delete"],
} as const satisfies Readonly<Record<string, NeededRight["privileges"]>>;

const sequences = {
  pack_id_seq: ["usage"],
  runtime_id_seq: ["usage"],
  trigger_id_seq: ["usage"],
  action_id_seq: ["usage"],
  sensor_id_seq: ["usage"],
  rule_id_seq: ["usage"],
  worker_id_seq: ["usage"],
  key_id_seq: ["usage"],
  worker_request_id_seq: ["usage"],
  webhook_delivery_id_seq: ["usage"],
  identity_id_seq: ["usage"],
  signing_key_id_seq: ["usage"],
  // Advanced after a failover or restore.
  event_id_seq: ["usage", "update"],
  enforcement_id_seq: ["usage", "update"],
  rule_message_seq: ["usage", "update"],
} as const satisfies Readonly<Record<string, NeededRight["privileges"]>>;

const functions = {
  "add_partition(text, bigint, bigint)": ["execute"],
  "list_partitions(text)": ["execute"],
  "retire_partition(text, text)": ["execute"],
  "open_retired(text)": ["execute"],
  "drop_retired(text)": ["execute"],
  "note_unplaced_sensors(bigint[], text[])": ["execute"],
} as const satisfies Readonly<Record<string, NeededRight["privileges"]>>;

export const neededRights: readonly NeededRight[] = [
  ...Object.entries(tables).map(([name, privileges]) => ({ kind: "table", name, privileges }) as const),
  ...Object.entries(sequences).map(([name, privileges]) => ({ kind: "sequence", name, privileges }) as const),
  ...Object.entries(functions).map(([name, privileges]) => ({ kind: "function", name, privileges }) as const),
];
