/**
 * Nested plain values, changed by path without touching the original.
 */
import { isJsonObject } from "../model/json/json.ts";
import type { Path } from "./yaml-source.ts";

type Nested = Readonly<Record<string | number, unknown>>;

export function childOf(value: unknown, key: string | number): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  return isJsonObject(value) ? value[key] : undefined;
}

/** A value with another at `path`, where mappings are created as needed. */
export function withValueAt(value: unknown, path: Path, replacement: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return replacement;
  const nested: Nested = isJsonObject(value) ? value : {};
  return { ...nested, [key]: withValueAt(nested[key], rest, replacement) };
}

/** A value without the key at `path`; other keys and list items stay where they are. */
export function withoutValueAt(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined || !(isJsonObject(value) || Array.isArray(value))) return value;
  if (Array.isArray(value)) return value.with(Number(key), withoutValueAt(value[Number(key)], rest));
  const { [key]: child, ...others } = value;
  return rest.length === 0 ? others : { ...others, [key]: withoutValueAt(child, rest) };
}

/** A value whose keys without a value are gone: `sensor:` with nothing under it is no section at all. */
export function withoutNulls(value: unknown): unknown {
  if (!isJsonObject(value)) return value;
  const kept = Object.entries(value).filter(([, child]) => child !== null);
  return Object.fromEntries(kept.map(([key, child]) => [key, withoutNulls(child)]));
}

export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(deepFreeze);
  return value;
}
