/** Holds up batches with events of a trigger as a change of its rules does from its commit on, until the transaction ends. */
export function holdTrigger(triggerRef: string): string {
  return `select pg_advisory_xact_lock(hashtextextended('attune.' || attune.rule_lock('${triggerRef}'), 4))`;
}
