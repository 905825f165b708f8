/** Writes the events of a batch column by column, as the statement that stores it reads them. */
import type { EventColumns, EventParticulars, EventTraces } from "../database/statements/event-columns.ts";
import { aimedRule } from "../model/rules/rule-aim.ts";
import { idOf } from "./entries.ts";
import type { MatchedEvent } from "./matched-piece.ts";

/** @param messageIds of the events, in the same order */
export function eventColumns(matched: readonly MatchedEvent[], messageIds: readonly string[]): EventColumns {
  // Appended to, not joined: so the parts are copied into one text only when the statement is sent.
  let [ids, sources, payloads] = ["", "", ""];
  for (const { entry, source } of matched) {
    ids += ids === "" ? idOf(entry) : `,${idOf(entry)}`;
    sources += sources === "" ? source.number : `,${source.number}`;
    // JSON.stringify wrote it, so it has no line breaks.
    payloads += payloads === "" ? entry.payloadJson : `\n${entry.payloadJson}`;
  }
  return {
    count: matched.length,
    ids: `{${ids}}`,
    messageIds: `{${messageIds.join(",")}}`,
    sources: `{${sources}}`,
    payloads,
    keys: matched.some(({ entry }) => entry.event.dedupKey !== null)
      ? matched.map(({ entry }) => entry.event.dedupKey)
      : null,
    particulars: matched.some(hasParticulars) ? particularsOf(matched) : null,
    traces: matched.some(({ entry }) => entry.event.trace !== undefined) ? tracesOf(matched) : null,
  };
}

function hasParticulars({ entry }: MatchedEvent): boolean {
  const { occurredAt, triggerInstanceId } = entry.event;
  return occurredAt !== null || aimedRule(triggerInstanceId) !== undefined;
}

function particularsOf(matched: readonly MatchedEvent[]): EventParticulars {
  const aimed = matched.map(({ entry, matches }) => {
    const ref = aimedRule(entry.event.triggerInstanceId);
    const match = ref === undefined ? undefined : matches[0]?.match;
    // The ref is kept even without a match, so that a later match of the stored event considers only that rule.
    return { rule: match?.ruleId ?? null, ruleRef: match?.ruleRef ?? ref ?? null };
  });
  return {
    occurredAt: matched.map(({ entry }) => entry.event.occurredAt),
    rules: aimed.map(({ rule }) => rule),
    ruleRefs: aimed.map(({ ruleRef }) => ruleRef),
  };
}

function tracesOf(matched: readonly MatchedEvent[]): EventTraces {
  return {
    parents: matched.map(({ entry }) => entry.event.trace?.traceparent ?? null),
    states: matched.map(({ entry }) => entry.event.trace?.tracestate ?? null),
  };
}
