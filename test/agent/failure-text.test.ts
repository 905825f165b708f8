import { expect, test } from "vitest";
import { failureText } from "../../src/agent/failure-text.ts";
import { OperatorError } from "../../src/errors/operator-error.ts";

test("a failure that a user can act on is one line that ends with its code, even if the message had several lines", () => {
  const error = new OperatorError({
    code: "DATABASE_UNREACHABLE",
    attempt: "connect to the database at db:5432",
    reason: "no route\n  to host",
    remedy: "check database.url",
  });

  expect(failureText(error)).toBe(
    "could not connect to the database at db:5432: no route to host; check database.url [DATABASE_UNREACHABLE]",
  );
});

test("several reasons have a line each, below the remedy", () => {
  const error = new OperatorError({
    code: "CONFIG_INVALID",
    attempt: "use the configuration",
    reason: ["api.port is\nno number", "log.level is loud"],
    remedy: "correct it",
  });

  expect(failureText(error)).toBe(
    "could not use the configuration: 2 problems; correct it [CONFIG_INVALID]\n  api.port is no number\n  log.level is loud",
  );
});

test("a bug shows its stack", () => {
  expect(failureText(new TypeError("x is undefined"))).toMatch(
    /^unexpected failure, please report it: TypeError: x is undefined\n {4}at /,
  );
  expect(failureText("odd")).toBe("unexpected failure, please report it: odd");
});

test("no failure shows the password of a URL", () => {
  const error = new Error("bad URL postgresql://attune:geheim@db/attune");

  expect(failureText(error)).not.toContain("geheim");
});
