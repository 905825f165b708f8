/** `rules backtest`: a draft of a rule over stored events, through the API of a running agent. */
import { linesOf } from "../client/line-answer.ts";
import { OperatorError } from "../../errors/operator-error.ts";
import {
  isJsonArray,
  isJsonObject,
  objectOf,
  type JsonObject,
  type JsonValue,
} from "../../model/json/json.ts";
import { decodeJson } from "../../model/json/json-text.ts";
import { isGateClosed, type Gate, type GateCount } from "../../model/rules/backtest-gate.ts";
import { counted } from "../../model/texts/counted.ts";
import { entryText, linesText, plainText } from "../client/output.ts";
import type { ExitCode } from "../invocation.ts";
import { isRuleFile, ruleInFile } from "../rule-file.ts";
import { clientOf, type ClientInvocation } from "./resources.ts";

export { readGate } from "../../model/rules/backtest-gate.ts";

export interface BacktestOptions {
  /** A ref, or the YAML file of a rule in a pack's folder. */
  readonly rule: string;
  readonly since: string;
  readonly until: string | undefined;
  /** `conditions=…`, `action_params=…`, `trigger_params=…`, `trigger_ref=…`, in JSON. */
  readonly set: readonly string[];
  readonly against: string;
  readonly gates: readonly Gate[];
}

/** @returns 1 if a gate is closed */
export async function backtestRule(
  invocation: ClientInvocation,
  options: BacktestOptions,
): Promise<ExitCode> {
  const { output, print, complain } = invocation;
  const { gates } = options;
  const body = { ...(await draftOf(options)), ...rangeOf(options) };
  const attempt = `back-test the rule ${options.rule}`;
  const request = { method: "POST", path: "/api/v1/rules/backtest", body, attempt } as const;
  for await (const line of linesOf(clientOf(invocation), request)) {
    if ("progress" in line) {
      const { events, created } = objectOf(line["progress"]);
      if (output === "table") complain(`${counted(Number(events), "event")}, up to ${plainText(created)}\n`);
      continue;
    }
    const done = objectOf(line["done"]);
    const counts = countsOf(done);
    const closed = gates.filter((gate) => isGateClosed(gate, counts));
    for (const { text, count } of closed) complain(`failed: ${text} (${count} is ${counts[count]})\n`);
    print(
      output === "table"
        ? resultText(options.rule, done, counts)
        : entryText({ ...done, failed: closed.map(({ text }) => text) }, output),
    );
    return closed.length === 0 ? 0 : 1;
  }
  return 1;
}

async function draftOf({ rule, set }: BacktestOptions): Promise<JsonObject> {
  const changes = Object.fromEntries(set.map(changeOf));
  if (!isRuleFile(rule)) return { rule, ...changes };
  const { ref, triggerRef, conditions, triggerParams, actionParams } = await ruleInFile(rule);
  return {
    rule: ref,
    trigger_ref: triggerRef,
    conditions,
    trigger_params: triggerParams,
    action_params: actionParams,
    ...changes,
  };
}

function rangeOf({ since, until, against }: BacktestOptions): JsonObject {
  return { since, against, ...(until === undefined ? {} : { until }) };
}

const settable = ["conditions", "action_params", "trigger_params", "trigger_ref"];

/** @throws OperatorError RULE_INVALID */
function changeOf(text: string): readonly [string, JsonValue] {
  const [, name = "", value = ""] = /^(\w+)=(.*)$/s.exec(text) ?? [];
  if (!settable.includes(name))
    throw unusable(text, `it does not begin with ${settable.map((each) => `${each}=`).join(", ")}`);
  // A ref is also taken without JSON's quotes, which shells like to remove.
  if (name === "trigger_ref" && !value.startsWith('"')) return [name, value];
  const decoded = decodeJson(value);
  if (decoded.kind === "invalid") throw unusable(text, decoded.problem);
  return [name, decoded.value];
}

function unusable(text: string, reason: string): OperatorError {
  return new OperatorError({
    code: "BACKTEST_INVALID",
    attempt: `use --set ${text}`,
    reason,
    remedy: `write JSON, like --set 'conditions=[{"field": "celsius", "operator": "greater_than", "value": 30}]'`,
  });
}

type Counts = Readonly<Record<GateCount, number>>;

function countsOf(done: JsonObject): Counts {
  const counts = objectOf(done["counts"]);
  const count = (name: string): number => Number(plainText(counts[name]));
  return {
    events: count("events"),
    hits: count("hits"),
    live_hits: count("live_hits"),
    caught: count("caught"),
    missed: count("missed"),
    changed: count("changed"),
    too_long: count("too_long"),
    bucket_hits_max: count("bucket_hits_max"),
  };
}

function resultText(rule: string, done: JsonObject, counts: Counts): string {
  const { events, hits, live_hits: liveHits, caught, missed, changed, too_long: tooLong } = counts;
  const share = events === 0 ? "" : ` (${((100 * hits) / events).toPrecision(3)} %)`;
  const lines = [`${rule}: ${hits} of ${counted(events, "event")} match${share}`];
  if (done["live"] === "none") lines.push("there is no stored rule to compare with");
  else {
    lines.push(
      `the live rule matches ${liveHits}${done["live"] === "disabled" ? ", as it is disabled" : ""}`,
    );
    lines.push(`would also catch ${caught}${idsText(done["caught"], caught)}`);
    lines.push(`would miss ${missed}${idsText(done["missed"], missed)}`);
    lines.push(`${changed} with other parameters`);
    for (const example of entriesOf(done["changed"]))
      lines.push(
        `  event ${plainText(example["event"])}: ${plainText(example["live"])} → ${plainText(example["draft"])}`,
      );
  }
  if (tooLong > 0) lines.push(`matches whose parameters become too long: ${tooLong}`);
  lines.push(...rateLines(done));
  return linesText(lines);
}

function idsText(ids: JsonValue | undefined, count: number): string {
  const shown = (isJsonArray(ids) ? ids : []).slice(0, 10).map(plainText);
  if (shown.length === 0) return "";
  return `: events ${shown.join(", ")}${count > shown.length ? ", …" : ""}`;
}

/** A bar for each bucket, the longest for the one with the most hits. */
function rateLines(done: JsonObject): readonly string[] {
  const buckets = entriesOf(done["buckets"]);
  const most = Math.max(1, ...buckets.map(({ hits }) => Number(plainText(hits))));
  return buckets.map(({ start, hits, events }) => {
    const bar = "█".repeat(Math.ceil((30 * Number(plainText(hits))) / most));
    return `${plainText(start)}  ${plainText(hits).padStart(7)} of ${plainText(events).padStart(7)}  ${bar}`.trimEnd();
  });
}

function entriesOf(value: JsonValue | undefined): readonly JsonObject[] {
  return (isJsonArray(value) ? value : []).filter(isJsonObject);
}
