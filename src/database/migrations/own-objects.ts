/**
 * The objects that the migrations create, to distinguish them from another program's objects with the same names.
 *
 * Tables are listed with the columns they are created with, without later ones, because a schema that was partly migrated
 * with `psql < file` already has these. A test compares the lists with the migrations.
 */

/** Each column with its type as spelled by `pg_type.typname`. */
export const ownTables: Readonly<Record<string, string>> = {
  schema_migration: "version text, name text, checksum text, applied_at timestamptz",
  pack: "id int8, ref text, label text, description text, version text, config jsonb, meta jsonb, created timestamptz, updated timestamptz",
  runtime:
    "id int8, ref text, pack int8, pack_ref text, description text, runtime_type text, name text, distributions jsonb, installation jsonb, execution_config jsonb, created timestamptz, updated timestamptz",
  worker:
    "id int8, name text, worker_type worker_type_enum, runtime int8, host text, port int4, status worker_status_enum, capabilities jsonb, meta jsonb, last_heartbeat timestamptz, created timestamptz, updated timestamptz",
  trigger:
    "id int8, ref text, pack int8, pack_ref text, label text, description text, enabled bool, param_schema jsonb, out_schema jsonb, created timestamptz, updated timestamptz",
  sensor:
    "id int8, ref text, pack int8, pack_ref text, label text, description text, entrypoint text, runtime int8, runtime_ref text, trigger int8, trigger_ref text, enabled bool, param_schema jsonb, created timestamptz, updated timestamptz",
  action:
    "id int8, ref text, pack int8, pack_ref text, label text, description text, created timestamptz, updated timestamptz",
  rule: "id int8, ref text, pack int8, pack_ref text, label text, description text, action int8, action_ref text, trigger int8, trigger_ref text, conditions jsonb, enabled bool, created timestamptz, updated timestamptz",
  event:
    "id int8, trigger int8, trigger_ref text, config jsonb, payload jsonb, source int8, source_ref text, created timestamptz",
  enforcement:
    "id int8, rule int8, rule_ref text, trigger_ref text, event int8, config jsonb, status enforcement_status_enum, payload jsonb, condition enforcement_condition_enum, conditions jsonb, created timestamptz, updated timestamptz",
  event_key:
    "trigger_ref text, source_ref text, dedup_key text, period int8, event int8, created timestamptz",
  installation: "singleton bool, id uuid, created timestamptz",
  outbox:
    "message_id uuid, routing_key text, event int8, enforcement int8, body jsonb, instance uuid, created timestamptz",
  rule_problem: "rule int8, problem text, since timestamptz",
  runtime_verification:
    "worker_name text, runtime_ref text, fingerprint text, outcome jsonb, verified_at timestamptz",
  sensor_assignment:
    "sensor int8, worker int8, instance uuid, generation int8, lease_expires_at timestamptz, claimed_at timestamptz",
  sensor_checkpoint: "sensor int8, value jsonb, updated timestamptz",
  sensor_gap:
    "id int8, sensor int8, sensor_ref text, cause text, detail text, from_worker text, to_worker text, began_at timestamptz, ended_at timestamptz, created timestamptz",
  sensor_process:
    "sensor int8, worker int8, status text, pid int4, failures int4, exit_code int4, signal text, reason text, stderr_excerpt text, started_at timestamptz, stopped_at timestamptz, next_restart_at timestamptz, updated timestamptz",
  sensor_queue: "sensor_ref text, broker text, exchange text, owner text, prepared_at timestamptz",
  sensor_trigger: "sensor int8, trigger int8",
  rule_revision: "singleton bool, value int8, raised_by xid8",
  rule_change: "xid xid8, kind text, id int8, trigger_ref text, is_effective bool",
  rule_change_pending: "xid xid8",
  rule_commit: "revision int8, xid xid8",
  rule_version:
    "id int8, rule int8, rule_ref text, trigger_ref text, revision int8, is_effective bool, operation text, definition jsonb, changed_at timestamptz, changed_by text",
  rule_version_pending: "xid xid8, rule int8",
  trigger_revision: "trigger_ref text, value int8",
  rule_message:
    "number int8, xid xid8, routing_key text, rule int8, rule_ref text, trigger_ref text, trigger_params jsonb, active bool, created timestamptz",
  rule_tombstone: "rule int8, trigger_ref text, rule_ref text, is_deleted bool, since timestamptz",
  timer_rule:
    "rule int8, schedule_since timestamptz, disabled_since timestamptz, paused_since timestamptz, pauses tstzmultirange",
  timer_cursor:
    "rule int8, schedule_since timestamptz, series_since timestamptz, settled_until timestamptz, execution_count int8, counts jsonb, last_scheduled_at timestamptz, last_fired_at timestamptz, run_first_at timestamptz, run_slots int8, entries int8, problem text, updated timestamptz",
  timer_slot:
    "rule int8, number int8, outcome text, reason text, first_scheduled_at timestamptz, last_scheduled_at timestamptz, slots int8, is_counted bool, late_seconds float8, fired_at timestamptz, event int8",
  schema_sample: "id int8, trigger_ref text, content jsonb, created timestamptz",
  schema_memory: "trigger_ref text, content jsonb, drifts jsonb, updated timestamptz",
  outbox_owner: "instance uuid, owner uuid, since timestamptz",
  identity:
    "id int8, login text, display_name text, password_hash text, role text, attributes jsonb, token_version int8, created timestamptz, updated timestamptz",
  worker_request:
    "id int8, kind text, sensor int8, parameters jsonb, taken_by uuid, answer text, expires_at timestamptz, created timestamptz",
  webhook_delivery:
    "id int8, request_id text, delivery_id text, verdict text, reason text, trigger_ref text, rule_ref text, method text, path text, event int8, event_count int4, remote_address text, bytes int8, seconds float8, status int4, requests int4, worker_name text, created timestamptz",
  webhook_rate: "endpoint text, bucket int4, full_at timestamptz, granted int4",
  webhook_nonce: "endpoint text, nonce text, delivery_id text, expires_at timestamptz",
  revoked_token: "jti text, expires_at timestamptz, created timestamptz",
  login_attempt: "key text, attempts int4, resets_at timestamptz",
  signing_key: "id int8, secret text, created timestamptz",
  key: "id int8, ref text, local_ref text, owner_type text, owner_pack int8, owner_pack_ref text, owner_sensor int8, owner_sensor_ref text, name text, encrypted bool, value bytea, encryption_key text, created timestamptz, updated timestamptz",
};

export const ownViews: readonly string[] = ["enforcement_with_payload", "event_key_known"];

export const ownFunctions: readonly string[] = [
  "add_partition",
  "are_rules_current",
  "bury_rule",
  "define_known_keys",
  "delete_sensor_gaps",
  "derive_file_sensors",
  "drop_retired",
  "end_tokens",
  "file_selector",
  "forget_rule_changes",
  "forget_rule_messages",
  "forget_rule_tombstones",
  "index_versions",
  "is_rule_current",
  "is_sensor_wanted",
  "is_timer",
  "is_trigger_enabled",
  "keep_former_instance",
  "keep_pending_versions",
  "keep_rule_versions",
  "list_partitions",
  "make_partition",
  "mark_retired",
  "note_assignment_gaps",
  "note_created_timers",
  "note_process_gap",
  "note_rule_change",
  "note_rule_changes",
  "note_rule_version",
  "note_timer_rule",
  "note_timer_trigger",
  "note_unplaced_sensors",
  "note_updated_rules",
  "note_updated_timers",
  "notify_assignments",
  "notify_change",
  "notify_worker",
  "open_retired",
  "owe_rule_message",
  "owe_rule_messages",
  "owe_trigger_messages",
  "owe_truncated_rules",
  "owe_updated_rule_messages",
  "owes_messages",
  "raise_rule_revision",
  "refuse_change",
  "rename_indexes",
  "retire_partition",
  "retired_from",
  "rule_definition",
  "rule_lock",
  "rule_message_body",
  "rule_message_id",
  "selected_file_sensor",
  "tell_sensors",
  "timer_pause_end",
  "timer_pauses",
  "timer_schedule",
  "touch_updated",
  "trim_sensor_gaps",
];

export const ownEnums: Readonly<Record<string, readonly string[]>> = {
  enforcement_condition_enum: ["any", "all"],
  enforcement_status_enum: ["created", "processed", "disabled"],
  worker_role_enum: ["action", "sensor", "hybrid"],
  worker_status_enum: ["active", "inactive", "busy", "error"],
  worker_type_enum: ["local", "remote", "container"],
};
