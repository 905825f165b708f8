/** `/diagnosis`: what `doctor` finds in the database and on this agent's machine, found at most once in a few seconds. */
import type { FastifyInstance } from "fastify";
import { Type } from "typebox";
import { orNull } from "../answers.ts";
import { RequestError } from "../errors.ts";

/** As diagnosis/finding.ts has it. */
export interface DiagnosisFinding {
  readonly state: "good" | "notice" | "wrong";
  readonly subject: string;
  readonly detail: string;
  readonly remedy: string | null;
  readonly lines: readonly string[];
  readonly facts: object;
}

/** Undefined: the database took too long. */
export type Diagnose = () => Promise<readonly DiagnosisFinding[] | undefined>;

const FindingAnswer = Type.Object({
  state: Type.Enum(["good", "notice", "wrong"]),
  subject: Type.String({ description: "What was checked" }),
  detail: Type.String(),
  remedy: orNull(Type.String({ description: "What to do about it" })),
  lines: Type.Array(Type.String(), {
    description: "Output that shows it, such as the end of a sensor's stderr",
  }),
  facts: Type.Object({}, { description: "Details for programs", additionalProperties: Type.Unknown() }),
});

export function addDiagnosisRoute(scope: FastifyInstance, diagnose: Diagnose): void {
  scope.get(
    "/diagnosis",
    {
      config: { roles: ["admin", "viewer"] },
      schema: {
        description: "What `attune-sensor-agent doctor` finds in the database and on this agent's machine.",
        response: { 200: Type.Object({ data: Type.Object({ findings: Type.Array(FindingAnswer) }) }) },
      },
    },
    async () => {
      const findings = await diagnose();
      if (findings === undefined)
        throw new RequestError("UNAVAILABLE", "The database did not answer in time.");
      return {
        data: {
          findings: findings.map(({ state, subject, detail, remedy, lines, facts }) => ({
            state,
            subject,
            detail,
            remedy,
            lines: [...lines],
            facts,
          })),
        },
      };
    },
  );
}
