/** Asks for a password: at a terminal without showing it, else as the first line of standard input. Never from arguments. */
import type { ReadStream } from "node:tty";
import { OperatorError } from "../errors/operator-error.ts";

const lengthMin = 8;
const lengthMax = 1_024;

export interface PasswordSource {
  readonly input: NodeJS.ReadableStream & Partial<Pick<ReadStream, "isTTY" | "setRawMode">>;
  readonly complain: (text: string) => void;
}

/** @throws OperatorError VALIDATION_FAILED if there is none, it is too short, or the two that were typed differ */
export async function readPassword({ input, complain }: PasswordSource): Promise<string> {
  if (input.isTTY !== true) return checked(await firstLine(input, () => {}));
  const ask = async (prompt: string): Promise<string> => {
    complain(prompt);
    input.setRawMode?.(true);
    try {
      return await firstLine(input, () => input.setRawMode?.(false));
    } finally {
      input.setRawMode?.(false);
      complain("\n");
    }
  };
  const password = checked(await ask("Password: "));
  if ((await ask("Once more: ")) !== password) throw unusable("the two passwords differ");
  return password;
}

function checked(password: string): string {
  if (password.length < lengthMin) throw unusable(`it has fewer than ${lengthMin} characters`);
  if (password.length > lengthMax) throw unusable(`it has more than ${lengthMax} characters`);
  return password;
}

/** Up to the line's end, with what a terminal in raw mode leaves to its program: erasing, and giving up. */
async function firstLine(input: PasswordSource["input"], beforeEnd: () => void): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let line = "";
  const take = (chunk: Buffer | string): void => {
    for (const character of chunk.toString("utf8")) {
      if (character === "\n" || character === "\r") return resolve(line);
      if (character === "\u0003") return reject(unusable("it was not entered"));
      if (character === "\u0004") return resolve(line);
      if (character === "\u007f" || character === "\b") line = line.slice(0, -1);
      else line += character;
      if (line.length > 2 * lengthMax) return resolve(line);
    }
  };
  const end = (): void => resolve(line);
  input.on("data", take).once("end", end).once("error", reject).resume();
  try {
    return await promise;
  } finally {
    beforeEnd();
    input.off("data", take).off("end", end).off("error", reject).pause();
  }
}

function unusable(reason: string): OperatorError {
  return new OperatorError({
    code: "VALIDATION_FAILED",
    attempt: "take the password",
    reason,
    remedy: `type one of at least ${lengthMin} characters, or give it on standard input`,
  });
}
