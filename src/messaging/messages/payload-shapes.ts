/**
 * The payload of every message of the platform, by message type. docs/messages.md describes the same
 * fields; a test compares the two.
 *
 * This service publishes the first seven. The others belong to the platform's other services and are
 * here so that their messages can be read and written the same way.
 */
import { anything, fields, flag, id, instant, nullable, record, text, type ValueOf } from "./json-shape.ts";

const ruleChange = fields({
  rule_id: id,
  rule_ref: text,
  trigger_id: nullable(id),
  trigger_ref: text,
  trigger_params: record,
  enabled: flag,
});

export const payloadShapes = {
  EventCreated: fields({
    event_id: id,
    trigger_id: nullable(id),
    trigger_ref: text,
    sensor_id: nullable(id),
    sensor_ref: nullable(text),
    payload: anything,
    config: anything,
  }),
  EnforcementCreated: fields({
    enforcement_id: id,
    rule_id: nullable(id),
    rule_ref: text,
    action: nullable(id),
    action_ref: nullable(text),
    config: nullable(anything),
    event_id: nullable(id),
    trigger_ref: text,
    payload: anything,
  }),
  RuleCreated: ruleChange,
  RuleEnabled: ruleChange,
  RuleDisabled: ruleChange,
  RuleUpdated: ruleChange,
  RuleDeleted: ruleChange,
  ExecutionRequested: fields({
    execution_id: id,
    action_id: nullable(id),
    action_ref: text,
    parent_id: nullable(id),
    enforcement_id: nullable(id),
    config: nullable(anything),
  }),
  ExecutionStatusChanged: fields({
    execution_id: id,
    action_ref: text,
    previous_status: nullable(text),
    new_status: text,
    changed_at: instant,
  }),
  ExecutionCompleted: fields({
    execution_id: id,
    action_id: nullable(id),
    action_ref: text,
    status: text,
    result: nullable(anything),
    completed_at: instant,
  }),
  InquiryCreated: fields({
    inquiry_id: id,
    execution_id: id,
    prompt: text,
    response_schema: nullable(record),
    assigned_to: nullable(id),
    timeout_at: nullable(instant),
  }),
  InquiryResponded: fields({
    inquiry_id: id,
    execution_id: id,
    response: anything,
    responded_by: nullable(id),
    responded_at: instant,
  }),
  NotificationCreated: fields({
    notification_id: nullable(id),
    channel: text,
    entity_type: text,
    entity: text,
    activity: text,
    content: nullable(anything),
  }),
} as const;

export type MessageType = keyof typeof payloadShapes;
export type PayloadOf<T extends MessageType> = ValueOf<(typeof payloadShapes)[T]>;
