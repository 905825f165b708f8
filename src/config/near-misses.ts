/**
 * Finds misnamed variables. `ATTUNE_DATABASE_URL` lacks an underscore; if it were ignored silently, the agent would
 * open an embedded database instead of the intended one.
 */
import { nearestName } from "../model/texts/nearest-name.ts";
import { environmentPrefix, sharedVariableNames, variableName, type Environment } from "./environment.ts";
import type { SchemaNode } from "./schema-node.ts";
import type { Path } from "./yaml-source.ts";

/** Other valid names that begin with ATTUNE_, used here or by the platform's other programs. */
const otherVariables = new Set(["ATTUNE_CONFIG", "ATTUNE_SENSOR_RUNTIMES", "ATTUNE_API_TOKEN"]);

/** A Kubernetes service named "attune-api" sets ATTUNE_API_PORT=tcp://10.0.0.1:8080 in every pod of its namespace. */
const serviceLink = /^(tcp|udp|sctp):\/\//;

/** One sentence for each variable whose name resembles one that the agent reads. */
export function nearMisses(schema: SchemaNode, environment: Environment): readonly string[] {
  const known = [...sharedVariableNames, ...settablePaths(schema).map(variableName)];
  return Object.entries(environment).flatMap(([name, value]) => {
    const isOther = known.includes(name) || otherVariables.has(name) || !/^ATTUNE_/i.test(name);
    // Variables with the prefix are reported as unknown keys.
    if (
      isOther ||
      name.startsWith(environmentPrefix) ||
      (value ?? "") === "" ||
      serviceLink.test(value ?? "")
    )
      return [];
    const meant = nearestVariable(name, known);
    return meant === undefined ? [] : [`environment variable ${name} sets nothing; did you mean ${meant}?`];
  });
}

/** The variable that was probably meant, ignoring underscores and case. */
export function nearestVariable(name: string, known: readonly string[]): string | undefined {
  const byLetters = new Map(known.map((each) => [letters(each), each]));
  const written = letters(name);
  const exact = byLetters.get(written);
  if (exact !== undefined) return exact;
  const nearest = nearestName(written, [...byLetters.keys()]);
  // Names share words, so the tolerance of nearestName would be too wide here.
  return nearest !== undefined && Math.abs(nearest.length - written.length) <= 1 && isClose(written, nearest)
    ? byLetters.get(nearest)
    : undefined;
}

/** Every key that a variable can set. */
export function settablePaths(node: SchemaNode, path: Path = []): readonly Path[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, child]) => {
    const here = [...path, key];
    return child.properties === undefined ? [here] : settablePaths(child, here);
  });
}

function letters(name: string): string {
  return name.toUpperCase().replaceAll("_", "");
}

/** Whether the names differ only by one extra, missing or wrong letter, or by two swapped letters. */
function isClose(one: string, other: string): boolean {
  let start = 0;
  while (start < one.length && one[start] === other[start]) start += 1;
  let end = 0;
  while (end < one.length - start && end < other.length - start && one.at(-1 - end) === other.at(-1 - end))
    end += 1;
  return one.length - start - end <= 2 && other.length - start - end <= 2;
}
