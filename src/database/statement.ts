/**
 * A statement is a named piece of SQL with the types of its input and of its rows.
 *
 * Rows are decoded here, at the edge, and nowhere else. A column that is missing or of the wrong type
 * is a programming error (the schema and the code disagree), so decoding asserts rather than returns.
 */
import assert, { AssertionError } from "node:assert/strict";
import type { Id } from "../model/identifiers.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../model/json/json.ts";
import type { Queryable, RowReader } from "./database.ts";

export interface Statement<Input, Output> {
  /** Unique in the program, because connections keep prepared statements by name. */
  readonly name: string;
  readonly text: string;
  readonly values: (input: Input) => readonly unknown[];
  readonly decode: (row: Row) => Output;
}

export async function rowsOf<Input, Output>(
  database: Queryable,
  { name, text, values, decode }: Statement<Input, Output>,
  input: Input,
): Promise<Output[]> {
  const { rows } = await database.query({ name, text, values: [...values(input)] });
  return rows.map((row) => decode(new Row(name, row)));
}

/** A statement for results so large that the time to decode a row counts. */
export interface LongStatement<Input, Output> extends Omit<Statement<Input, Output>, "decode"> {
  /** @param columns in the order of the statement */
  readonly decode: (columns: readonly unknown[]) => Output;
}

/** Like `rowsOf`, but hands over each row as it arrives; see RowReader. */
export async function eachRowOf<Input, Output>(
  reader: RowReader,
  { name, text, values, decode }: LongStatement<Input, Output>,
  input: Input,
  onRow: (row: Output) => void,
): Promise<void> {
  await reader.eachRow({ name, text, values: [...values(input)] }, (columns) => onRow(decode(columns)));
}

/** For a statement that returns at most one row. */
export async function rowOf<Input, Output>(
  database: Queryable,
  statement: Statement<Input, Output>,
  input: Input,
): Promise<Output | undefined> {
  const rows = await rowsOf(database, statement, input);
  assert(rows.length <= 1, `${statement.name}: ${rows.length} rows where at most one was expected`);
  return rows[0];
}

/** Decodes the rows of a statement that returns none. */
export function noRows(row: Row): never {
  throw row.surplus();
}

/** Decodes the row of a statement that is run for its effect, such as a lock: the row says nothing. */
export function noValue(): void {}

export class Row {
  readonly #statement: string;
  readonly #columns: object;

  constructor(statement: string, columns: object) {
    this.#statement = statement;
    this.#columns = columns;
  }

  /** `bigint` columns arrive as decimal strings: an identifier never becomes a lossy number. */
  id(column: string): Id {
    const value = this.#value(column);
    if (typeof value !== "string" || !/^\d+$/.test(value)) throw this.#mismatch(column, "an id");
    return value;
  }

  idOrNull(column: string): Id | null {
    return this.#value(column) === null ? null : this.id(column);
  }

  /** For a `bigint` that may be negative, such as an id that was not drawn from its sequence. */
  bigint(column: string): bigint {
    const value = this.#value(column);
    if (typeof value !== "string" || !/^-?\d+$/.test(value)) throw this.#mismatch(column, "a bigint");
    return BigInt(value);
  }

  bigintOrNull(column: string): bigint | null {
    return this.#value(column) === null ? null : this.bigint(column);
  }

  text(column: string): string {
    const value = this.#value(column);
    if (typeof value !== "string") throw this.#mismatch(column, "text");
    return value;
  }

  textOrNull(column: string): string | null {
    return this.#value(column) === null ? null : this.text(column);
  }

  texts(column: string): readonly string[] {
    const value = this.#value(column);
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === "string"))
      throw this.#mismatch(column, "an array of text");
    return value;
  }

  /** One of the words of an enumeration or a check constraint. */
  word<Word extends string>(column: string, words: readonly Word[]): Word {
    const value = this.text(column);
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw this.#mismatch(column, `one of ${words.join(", ")}`);
    return word;
  }

  /** `integer` and `double precision`. A `bigint` is an id, or a count that the statement must cast. */
  number(column: string): number {
    const value = this.#value(column);
    if (typeof value !== "number") throw this.#mismatch(column, "a number");
    return value;
  }

  numberOrNull(column: string): number | null {
    return this.#value(column) === null ? null : this.number(column);
  }

  numbers(column: string): readonly number[] {
    const value = this.#value(column);
    if (!Array.isArray(value) || !value.every((entry) => typeof entry === "number"))
      throw this.#mismatch(column, "an array of numbers");
    return value;
  }

  boolean(column: string): boolean {
    const value = this.#value(column);
    if (typeof value !== "boolean") throw this.#mismatch(column, "a boolean");
    return value;
  }

  instant(column: string): Date {
    const value = this.#value(column);
    if (!(value instanceof Date)) throw this.#mismatch(column, "an instant");
    return value;
  }

  instantOrNull(column: string): Date | null {
    return this.#value(column) === null ? null : this.instant(column);
  }

  /** A `json` or `jsonb` column; SQL null and JSON null are both null. */
  json(column: string): JsonValue {
    // Both databases parse it with parseJson, which returns only JSON values.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return this.#value(column) as JsonValue;
  }

  jsonObject(column: string): JsonObject {
    const value = this.json(column);
    if (!isJsonObject(value)) throw this.#mismatch(column, "a JSON object");
    return value;
  }

  jsonObjectOrNull(column: string): JsonObject | null {
    return this.#value(column) === null ? null : this.jsonObject(column);
  }

  /** The error that there is a row at all. */
  surplus(): AssertionError {
    return new AssertionError({ message: `${this.#statement}: a row where none was expected` });
  }

  #value(column: string): unknown {
    const value: unknown = Reflect.get(this.#columns, column);
    if (value === undefined) throw this.#mismatch(column, "among the result");
    return value;
  }

  /** Made only when it is thrown: rows are decoded by the million. */
  #mismatch(column: string, expected: string): AssertionError {
    return new AssertionError({ message: `${this.#statement}: column ${column} is not ${expected}` });
  }
}
