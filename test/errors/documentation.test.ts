import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorCatalogue } from "../../src/errors/catalogue.ts";

test("docs/errors.md lists exactly the errors there are, with their meaning and a remedy for each", () => {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const documented = page
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
    .filter(([, code]) => /^`[A-Z_]+`$/.test(code ?? ""))
    .map(([, code = "", meaning, remedy = ""]) => ({
      code: code.slice(1, -1),
      meaning,
      hasRemedy: remedy !== "",
    }));

  const existing = Object.entries(errorCatalogue).map(([code, meaning]) => ({
    code,
    meaning,
    hasRemedy: true,
  }));

  expect(documented).toEqual(existing);
});
