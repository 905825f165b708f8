import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { readPassword } from "../../src/agent/read-password.ts";

/** A terminal on which somebody answers each prompt. */
function terminal(...answers: readonly string[]) {
  const modes: boolean[] = [];
  let shown = "";
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (isRaw: boolean) => void modes.push(isRaw),
  });
  const waiting = [...answers];
  const complain = (text: string): void => {
    shown += text;
    const answer = text.endsWith(": ") ? waiting.shift() : undefined;
    if (answer !== undefined) setImmediate(() => input.write(answer));
  };
  return {
    source: { input, complain } as unknown as Parameters<typeof readPassword>[0],
    modes,
    shown: () => shown,
  };
}

test("at a terminal the password is asked for twice and not shown", async () => {
  const { source, modes, shown } = terminal("correct horsf\u007fe\r", "correct horse\r");

  expect(await readPassword(source)).toBe("correct horse");
  expect(shown()).toBe("Password: \nOnce more: \n");
  expect(modes[0]).toBe(true);
  expect(modes.at(-1)).toBe(false);
});

test.each([
  {
    what: "two that differ",
    answers: ["correct horse\r", "wrong horse\r"],
    reason: "the two passwords differ",
  },
  { what: "a short one", answers: ["horse\r"], reason: "it has fewer than 8 characters" },
  { what: "giving up", answers: ["correct\u0003"], reason: "it was not entered" },
])("$what is refused, and the terminal is left as it was", async ({ answers, reason }) => {
  const { source, modes } = terminal(...answers);

  await expect(readPassword(source)).rejects.toMatchObject({ reason });
  expect(modes.at(-1)).toBe(false);
});

test("from a pipe the first line is taken", async () => {
  const input = new PassThrough();
  input.end("correct horse\nbattery staple\n");

  expect(await readPassword({ input, complain: () => {} })).toBe("correct horse");
});
