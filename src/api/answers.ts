/** How values of rows are written in answers. */
import { Type } from "typebox";
import { idNumber, type Id } from "../model/identifiers.ts";

/** A JSON number, or decimal text where a number would lose digits. */
export const IdAnswer = Type.Union([Type.Integer(), Type.String({ pattern: String.raw`^\d+$` })]);

export const InstantAnswer = Type.String({ format: "date-time" });

export const orNull = <Schema extends Parameters<typeof Type.Union>[0][number]>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);

export function idAnswer(id: Id): number | string;
export function idAnswer(id: Id | null): number | string | null;
export function idAnswer(id: Id | null): number | string | null {
  return id === null ? null : idNumber(id);
}

export function instantAnswer(instant: Date): string;
export function instantAnswer(instant: Date | null): string | null;
export function instantAnswer(instant: Date | null): string | null {
  return instant === null ? null : instant.toISOString();
}
