/** What became of an edit: its result, or the refusal of the request. */
import type { DefinitionEdit, DefinitionKind } from "../../model/definition-edit.ts";
import { isJsonObject, type JsonObject } from "../../model/json/json.ts";
import { MissingError, RequestError } from "../errors.ts";

/** @throws RequestError VALIDATION_FAILED */
export function objectOf(body: unknown): JsonObject {
  if (isJsonObject(body)) return body;
  throw new RequestError("VALIDATION_FAILED", "The body must be a JSON object.", [
    { parameter: "", problem: "must be a JSON object" },
  ]);
}

/** How many problems of a body are listed. */
const detailsMax = 100;

/**
 * @param named what the path names
 * @throws RequestError saying why it was not done
 */
export function resultOf<Result>(kind: DefinitionKind, edit: DefinitionEdit<Result>, named: string): Result {
  switch (edit.kind) {
    case "done":
      return edit.result;
    case "missing":
      throw new MissingError(kind, named);
    case "outdated":
      throw new RequestError(
        "PRECONDITION_FAILED",
        `The ${kind} ${named} is not in the version that If-Match names; read it again.`,
      );
    case "taken":
      throw new RequestError("CONFLICT", `There is a ${kind} ${edit.ref} already.`);
    case "refused":
      throw new RequestError("CONFLICT", edit.reason);
    case "in-use": {
      const names = edit.referrers.map((referrer) => `${referrer.kind} ${referrer.ref}`);
      throw new RequestError(
        "CONFLICT",
        `The ${kind} ${edit.ref} is in use by ${names.join(", ")}.`,
        edit.referrers.map((referrer) => ({
          parameter: referrer.ref,
          problem: `this ${referrer.kind} refers to it`,
        })),
      );
    }
    case "invalid": {
      const fields = [...new Set(edit.problems.map(({ field }) => field ?? "the body"))];
      throw new RequestError(
        "VALIDATION_FAILED",
        `Not valid: ${fields.slice(0, detailsMax).join(", ")}.`,
        edit.problems
          .slice(0, detailsMax)
          .map(({ field, reason }) => ({ parameter: field ?? "", problem: reason })),
      );
    }
  }
}
