/** Reads fields of a webhook's settings one by one, and collects what is wrong with them. */
import { nearestDouble } from "../json/exact-number.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../json/json.ts";
import { shown } from "../schedules/param-reader.ts";

export interface SettingProblem {
  /** Names that lead to the setting, joined by dots. */
  readonly path: string;
  readonly problem: string;
}

export type DecodedSettings<Value> =
  | { readonly kind: "valid"; readonly value: Value }
  | { readonly kind: "invalid"; readonly problems: readonly SettingProblem[] };

const listLengthMax = 1_000;
const textLengthMax = 1_024;

/** A field that is missing or wrong is read as null, or as an empty list; only what is wrong is a problem. */
export class SettingFields {
  readonly problems: SettingProblem[] = [];

  refuse(path: string, problem: string): void {
    this.problems.push({ path, problem });
  }

  refuseOthers(value: JsonObject, known: readonly string[], prefix: string): void {
    for (const name of Object.keys(value)) {
      if (!known.includes(name))
        this.refuse(`${prefix}${name}`, `is no setting of a webhook; the settings are ${known.join(", ")}`);
    }
  }

  result<Value>(value: Value): DecodedSettings<Value> {
    return this.problems.length === 0
      ? { kind: "valid", value }
      : { kind: "invalid", problems: this.problems };
  }

  text(value: JsonValue | undefined, path: string, lengthMax = textLengthMax): string | null {
    if (value === undefined || value === null) return null;
    if (typeof value === "string" && value.length <= lengthMax && !value.includes("\0")) return value;
    this.refuse(path, `must be text of at most ${lengthMax} characters, not ${shown(value)}`);
    return null;
  }

  word<Word extends string>(value: JsonValue | undefined, path: string, words: readonly Word[]): Word | null {
    if (value === undefined || value === null) return null;
    const word = words.find((each) => each === value);
    if (word === undefined) this.refuse(path, `must be one of ${words.join(", ")}, not ${shown(value)}`);
    return word ?? null;
  }

  number(
    value: JsonValue | undefined,
    path: string,
    { least, most, isWhole }: { readonly least: number; readonly most: number; readonly isWhole: boolean },
  ): number | null {
    if (value === undefined || value === null) return null;
    const number = nearestDouble(value);
    if (number !== undefined && number >= least && number <= most && (!isWhole || Number.isInteger(number)))
      return number;
    this.refuse(
      path,
      `must be a ${isWhole ? "whole " : ""}number from ${least} to ${most}, not ${shown(value)}`,
    );
    return null;
  }

  /** One text or a list of them. */
  texts(value: JsonValue | undefined, path: string, countMax = listLengthMax): readonly string[] {
    if (value === undefined || value === null) return [];
    const list = isJsonArray(value) ? value : [value];
    const texts = list.filter((each) => typeof each === "string" && each !== "" && !each.includes("\0"));
    if (texts.length === list.length && list.length > 0 && list.length <= countMax) return texts.map(String);
    this.refuse(path, `must be a text or a list of 1 to ${countMax} texts`);
    return [];
  }

  object(value: JsonValue | undefined, path: string): JsonObject | null {
    if (value === undefined || value === null) return null;
    if (isJsonObject(value)) return value;
    this.refuse(path, `must be a mapping, not ${shown(value)}`);
    return null;
  }

  header(value: JsonValue | undefined, path: string): string | null {
    const name = this.text(value, path, 128);
    if (name === null) return null;
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) return name.toLowerCase();
    this.refuse(path, `must be the name of a header, like X-Request-Id, not ${shown(name)}`);
    return null;
  }
}
