/**
 * Paths of learned fields, as text: `user.id`, `items[].name` for the elements of an array, `hosts[*].state` for the members
 * of an object whose names are data, and `headers["content.type"]` for names that are no plain word.
 */
import type { FieldPath } from "../paths/field-path.ts";

export type MemoryStep = { readonly name: string } | "elements" | "any";

export function childPath(path: string, step: MemoryStep): string {
  if (step === "elements") return `${path}[]`;
  if (step === "any") return `${path}[*]`;
  const { name } = step;
  if (!/^[\p{L}\p{N}_-]+$/u.test(name)) return `${path}[${JSON.stringify(name)}]`;
  return path === "" ? name : `${path}.${name}`;
}

const step = /\[\]|\[\*\]|\["(?:[^"\\]|\\.)*"\]|[^.[\]]+/gu;

export function stepsOf(path: string): readonly MemoryStep[] {
  return Array.from(path.matchAll(step), ([text]) => {
    if (text === "[]") return "elements";
    if (text === "[*]") return "any";
    if (!text.startsWith("[")) return { name: text };
    const name: unknown = JSON.parse(text.slice(1, -1));
    return { name: String(name) };
  });
}

/** The path of what contains the field; undefined for a field of the payload itself. */
export function parentPath(path: string): string | undefined {
  const steps = stepsOf(path).slice(0, -1);
  return steps.length === 0 ? undefined : steps.reduce(childPath, "");
}

/** As conditions read it, with the first element for all; undefined below names that are data. */
export function fieldPathOf(path: string): FieldPath | undefined {
  const steps = stepsOf(path);
  if (steps.includes("any")) return undefined;
  return steps.map((each) => (typeof each === "object" ? each.name : "0"));
}

/** Whether a rule that reads `read` depends on the field: on itself, on what contains it, or on what it contains. */
export function concerns(path: string, read: FieldPath): boolean {
  return stepsOf(path)
    .slice(0, read.length)
    .every((each, index) => {
      const name = read[index] ?? "";
      if (each === "any") return true;
      return each === "elements" ? /^\d+$/.test(name) : each.name === name;
    });
}
