import { expect, test } from "vitest";
import { engineFailureText } from "../../src/database/engine-failure.ts";

test("a failure of the engine's file system is told in words, not as an object", () => {
  expect(engineFailureText({ name: "ErrnoError", errno: 51 })).toBe("ENOSPC: no space left on device");
  expect(engineFailureText({ errno: 22 })).toBe("its file system answers with the error 22 of WASI");
  expect(engineFailureText(new Error("it broke"))).toBe("it broke");
});
