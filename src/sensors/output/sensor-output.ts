/**
 * Sorts the decoded output of one sensor: events and checkpoints are submitted in order, and everything else goes to the
 * sensor's log.
 */
import type { EventIntake } from "../event-intake.ts";
import type { DecodedOutput } from "./decoded-output.ts";
import type { OutputRemarks } from "./output-remarks.ts";
import type { RejectedLines } from "./rejected-lines.ts";
import { RepeatedKeys } from "./repeated-keys.ts";

export interface SensorOutputParts {
  readonly intake: Pick<EventIntake, "submit">;
  readonly rejected: RejectedLines;
  readonly remarks: OutputRemarks;
}

export class SensorOutput {
  readonly #parts: SensorOutputParts;
  readonly #repeatedKeys = new RepeatedKeys();

  constructor(parts: SensorOutputParts) {
    this.#parts = parts;
  }

  /**
   * Takes the next piece of output.
   *
   * @param text it was decoded from
   * @returns as EventIntake.submit; true if there was nothing to submit
   */
  take(decoded: DecodedOutput, text: string, bytes: number): Promise<boolean> | boolean {
    const { intake, rejected, remarks } = this.#parts;
    switch (decoded.kind) {
      case "event":
        if (decoded.remarks.length > 0) remarks.note(decoded.remarks, text);
        remarks.note(this.#repeatedKeys.remarksOn(text), text);
        return intake.submit(decoded, text, bytes);
      case "rejected":
        rejected.note(decoded.rejection);
        if (decoded.checkpoint === undefined) return true;
        return intake.submit({ kind: "checkpoint", checkpoint: decoded.checkpoint }, text, bytes);
      case "checkpoint":
        return intake.submit(decoded, text, bytes);
      case "nothing":
        return true;
    }
  }

  /** Reports rejections since the last call. */
  flush(): void {
    this.#parts.rejected.flush();
  }
}
