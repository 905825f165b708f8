/** What a rule on `core.file_changed` asks for, decoded from its trigger_params. */
import { invalid, valid, type Decoded } from "../json/decoded.ts";
import type { JsonObject } from "../json/json.ts";
import { describePlaced, type PlacedProblem } from "../placed-problem.ts";
import { ParamReader, shown } from "../schedules/param-reader.ts";
import { decodeWorkerSelector, type WorkerSelector } from "../sensors/worker-selector.ts";
import type { FileEventType } from "./file-change.ts";
import { compileGlob, isGlob, type Glob } from "./glob.ts";

export interface FilePlan {
  /** Absolute: a folder or a file; it need not exist. */
  readonly base: string;
  /** How many names below the base are watched; 1 is the folder alone. */
  readonly depthMax: number;
  readonly include: readonly Glob[];
  readonly ignore: readonly Glob[];
  readonly eventTypes: ReadonlySet<FileEventType>;
  readonly withDirectories: boolean;
  readonly debounceMs: number;
  /** Null: changes are not held back until their file is settled. */
  readonly settledMs: number | null;
  /** Whether files that exist when the rule is first seen count as created. */
  readonly reportsExisting: boolean;
  /** Whether what changed while nobody watched is reported. */
  readonly reportsMissed: boolean;
  /** Whether new lines are events. */
  readonly tails: boolean;
  readonly polling: Polling;
  readonly selector: WorkerSelector;
}

/** How a folder is looked at in addition to what the kernel reports. */
export interface Polling {
  /** Whether to look every `pollMs`, whatever the file system is. */
  readonly isForced: boolean;
  readonly pollMs: number;
  readonly rescanMs: number;
}

const eventTypes: readonly FileEventType[] = ["created", "modified", "deleted", "moved"];
const pathLengthMax = 4_096;
const patternsMax = 100;
const secondsMax = 86_400;

export function filePlanProblems(_triggerRef: string, params: JsonObject): readonly PlacedProblem[] {
  const problems: PlacedProblem[] = [];
  readPlan(params, problems);
  return problems;
}

export function decodeFilePlan(params: JsonObject): Decoded<FilePlan> {
  const problems: PlacedProblem[] = [];
  const plan = readPlan(params, problems);
  return plan === undefined || problems.length > 0 ? invalid(describePlaced(problems)) : valid(plan);
}

/** Whether the rule wants to know of a path below its base. A base that is a file has the path "". */
export function wantsPath({ include, ignore, depthMax }: FilePlan, relativePath: string): boolean {
  if (relativePath === "") return true;
  if (relativePath.split("/").length > depthMax) return false;
  if (include.length > 0 && !include.some((glob) => glob.matches(relativePath))) return false;
  return !ignoresPath({ ignore }, relativePath);
}

/** Whether the path or a folder that it is in is ignored. */
export function ignoresPath({ ignore }: Pick<FilePlan, "ignore">, relativePath: string): boolean {
  if (ignore.length === 0) return false;
  for (let end = relativePath.indexOf("/"); ; end = relativePath.indexOf("/", end + 1)) {
    const path = end === -1 ? relativePath : relativePath.slice(0, end);
    if (ignore.some((glob) => glob.matches(path))) return true;
    if (end === -1) return false;
  }
}

function readPlan(params: JsonObject, problems: PlacedProblem[]): FilePlan | undefined {
  const reader = new ParamReader(params, problems);
  const place = readPath(reader);
  const isRecursive = readBoolean(reader, "recursive");
  const include = readGlobs(reader, "include");
  const ignore = readGlobs(reader, "ignore");
  const tails = readBoolean(reader, "tail") ?? false;
  const types = readEventTypes(reader);
  const withDirectories = readBoolean(reader, "directories") ?? false;
  const seconds = (name: string, min: number): number | undefined =>
    reader.number(name, { min, max: secondsMax });
  const debounce = seconds("debounce_seconds", 0) ?? 0.2;
  const settled = seconds("settled_seconds", 0);
  const reportsExisting = readBoolean(reader, "report_existing") ?? false;
  const reportsMissed = readBoolean(reader, "report_missed") ?? false;
  const isForced = readBoolean(reader, "polling") ?? false;
  const poll = seconds("poll_seconds", 0.1) ?? 5;
  const rescan = seconds("rescan_seconds", 1) ?? 300;
  const selector = readSelector(reader, params);
  reader.refuseUnknown();
  if (place === undefined || selector === undefined) return undefined;

  if (place.pattern !== undefined) {
    if (include.length > 0) reader.refuse("include", "has no use: the path is a pattern itself");
    const glob = compileGlob(place.pattern);
    if (glob.kind === "valid") include.push(glob.value);
    else reader.refuse("path", glob.problem);
  }
  return {
    base: place.base,
    depthMax: depthOf(place.pattern, isRecursive ?? false),
    include,
    ignore,
    eventTypes: new Set(types ?? (tails ? [] : eventTypes)),
    withDirectories,
    debounceMs: debounce * 1_000,
    settledMs: settled === undefined ? null : settled * 1_000,
    reportsExisting,
    reportsMissed,
    tails,
    polling: { isForced, pollMs: poll * 1_000, rescanMs: rescan * 1_000 },
    selector,
  };
}

function readPath(reader: ParamReader): { readonly base: string; readonly pattern?: string } | undefined {
  const path = reader.text("path");
  if (path === undefined)
    return reader.has("path")
      ? undefined
      : reader.refuse("path", "is required: a folder or file, like /var/inbox");
  if (!path.startsWith("/"))
    return reader.refuse("path", `must be absolute, like /var/inbox, not ${shown(path)}`);
  if (path.length > pathLengthMax) {
    return reader.refuse("path", `is longer than ${pathLengthMax} characters`);
  }
  if (path.includes("\0")) return reader.refuse("path", "contains the character U+0000");
  const names = path.split("/").filter((name) => name !== "");
  if (names.some((name) => name === "." || name === "..")) {
    return reader.refuse("path", `must not contain . or .. as names: ${shown(path)}`);
  }
  const first = names.findIndex(isGlob);
  if (first === -1) return { base: `/${names.join("/")}` };
  return { base: `/${names.slice(0, first).join("/")}`, pattern: names.slice(first).join("/") };
}

function depthOf(pattern: string | undefined, isRecursive: boolean): number {
  if (isRecursive) return Number.POSITIVE_INFINITY;
  if (pattern === undefined) return 1;
  const names = pattern.split("/");
  return names.includes("**") ? Number.POSITIVE_INFINITY : names.length;
}

function readBoolean(reader: ParamReader, name: string): boolean | undefined {
  const value = reader.value(name);
  if (value === undefined || typeof value === "boolean") return value;
  return reader.refuse(name, `must be true or false, not ${shown(value)}`);
}

function readGlobs(reader: ParamReader, name: string): Glob[] {
  const globs: Glob[] = [];
  const patterns = reader.list(name);
  if (patterns.length > patternsMax)
    reader.refuse(name, `must have at most ${patternsMax} patterns, not ${patterns.length}`);
  for (const pattern of patterns.slice(0, patternsMax)) {
    const glob =
      typeof pattern === "string"
        ? compileGlob(pattern.replace(/(?<=[^/])\/$/, ""))
        : invalid(`must have patterns that are text, not ${shown(pattern)}`);
    if (glob.kind === "valid") globs.push(glob.value);
    else reader.refuse(name, glob.problem);
  }
  return globs;
}

function readEventTypes(reader: ParamReader): readonly FileEventType[] | undefined {
  if (!reader.has("event_types")) return undefined;
  const types: FileEventType[] = [];
  const given = reader.list("event_types");
  if (given.length === 0) reader.refuse("event_types", `must name at least one of ${eventTypes.join(", ")}`);
  for (const each of given) {
    const type = eventTypes.find((known) => known === each);
    if (type !== undefined) types.push(type);
    else reader.refuse("event_types", `must be some of ${eventTypes.join(", ")}, not ${shown(each)}`);
  }
  return types;
}

function readSelector(reader: ParamReader, params: JsonObject): WorkerSelector | undefined {
  const name = reader.has("worker") ? "worker" : "labels";
  reader.has("labels");
  const { worker = null, labels = null } = params;
  const selector = decodeWorkerSelector({ worker, labels });
  return selector.kind === "valid" ? selector.value : reader.refuse(name, selector.problem);
}
