/**
 * Changes nested plain values by path, without modifying the original.
 */
import { isJsonObject } from "../model/json/json.ts";
import type { Path } from "./yaml-source.ts";

type Nested = Readonly<Record<string | number, unknown>>;

export function childOf(value: unknown, key: string | number): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  return isJsonObject(value) ? value[key] : undefined;
}

/** The value with `replacement` at `path`; mappings are created as needed. */
export function withValueAt(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const nested: Nested = isJsonObject(value) ? value : {};
  return { ...nested, [key]: withValueAt(nested[key], rest, replacement) };
}

/** The value without the key at `path`; other keys and list items keep their places. */
export function withoutValueAt(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined || !(isJsonObject(value) || Array.isArray(value))) return value;
  if (Array.isArray(value)) return value.with(Number(key), withoutValueAt(value[Number(key)], rest));
  const { [key]: child, ...others } = value;
  return rest.length === 0 ? others : { ...others, [key]: withoutValueAt(child, rest) };
}

/** Removes keys without a value: `sensor:` with nothing below it counts as absent. */
export function withoutNulls(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutNulls(child)]));
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
