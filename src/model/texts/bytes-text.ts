import { counted } from "./counted.ts";

const units = [
  ["TB", 1e12],
  ["GB", 1e9],
  ["MB", 1e6],
  ["kB", 1e3],
] as const;

/** A number of bytes in the largest decimal unit that it fills: `1.5 GB`. */
export function bytesText(bytes: number): string {
  const [unit, size] = units.find((each) => bytes >= each[1]) ?? [];
  if (unit === undefined || size === undefined) return counted(bytes, "byte");
  return `${Math.round((bytes / size) * 10) / 10} ${unit}`;
}
