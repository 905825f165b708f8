/** Adds to refusals of names that do not exist which name was probably meant. */
import type { FastifyInstance } from "fastify";
import type { NamedKind } from "../database/statements/refs.ts";
import { meantText } from "../model/texts/meant-text.ts";
import { MissingError, RequestError } from "./errors.ts";

export interface MeantNames {
  /** Undefined: none is close. */
  readonly readMeantName: (kind: NamedKind, named: string) => Promise<string | undefined>;
}

export function suggestMeantNames(scope: FastifyInstance, { readMeantName }: MeantNames): void {
  // What it throws is answered by the handler of the whole server.
  scope.setErrorHandler(async (error, { caller }) => {
    if (!(error instanceof MissingError)) throw error;
    // Tokens of sensors and workers may not list what there is. They are also programs, which may ask again and again.
    if (caller.role !== "admin" && caller.role !== "viewer") throw error;
    const meant = await readMeantName(error.kind, error.named);
    if (meant === undefined) throw error;
    throw new RequestError(error.code, `${error.message.replace(/\.$/, "")}${meantText(meant)}`);
  });
}
