import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { otherRefusal, refusals } from "../../src/database/refusals.ts";
import { errorCatalogue, requestErrors } from "../../src/errors/catalogue.ts";
import { brokerRefusals, loginRefusal } from "../../src/messaging/rabbitmq/refusals.ts";

test("docs/errors.md lists exactly the errors there are, with their HTTP status, meaning and a remedy for each", () => {
  const documented = rowsOfPage()
    .filter((cells) => cells.length === 4 && /^`[A-Z_]+`$/.test(cells[0] ?? ""))
    .map(([code = "", status, meaning, remedy = ""]) => ({
      code: code.slice(1, -1),
      status,
      meaning,
      hasRemedy: remedy !== "",
    }));

  const existing = Object.entries(errorCatalogue).map(([code, { status, meaning }]) => ({
    code,
    status: String(status ?? ""),
    meaning,
    hasRemedy: true,
  }));

  expect(documented).toEqual(existing);
});

test("each failure of a request has a status of its own, which names its code", () => {
  const statuses = Object.values(requestErrors).map(({ status }) => status);

  expect(new Set(statuses).size).toBe(statuses.length);
});

test("docs/errors.md lists exactly the distinguished states of PostgreSQL, with their codes", () => {
  const documented = rowsOfPage().filter(([, code]) => /^`DATABASE_[A-Z_]+`$/.test(code ?? ""));

  expect(documented).toEqual(
    [...refusals, otherRefusal].map(({ states, code, meaning }) => [
      states.length === 0 ? "others" : states.map((state) => `\`${state}\``).join(", "),
      `\`${code}\``,
      meaning,
    ]),
  );
});

test("docs/errors.md lists exactly the distinguished reply codes of RabbitMQ, with their codes", () => {
  const documented = rowsOfPage().filter(
    ([replies, code]) => /^`BROKER_[A-Z_]+`$/.test(code ?? "") && /\d/.test(replies ?? ""),
  );

  expect(documented).toEqual([
    ["403 at the login", `\`${loginRefusal.code}\``, loginRefusal.meaning],
    ...brokerRefusals.map(({ codes, code, meaning }) => [
      codes.map((each) => `\`${each}\``).join(", "),
      `\`${code}\``,
      meaning,
    ]),
  ]);
});

/** The cells of every row of every table. */
function rowsOfPage(): readonly (readonly string[])[] {
  const page = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
  return page
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}
