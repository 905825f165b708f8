import { expect, test } from "vitest";
import { Row, rowOf, rowsOf, type Statement } from "../../src/database/statement.ts";

const row = new Row("find_thing", {
  id: "9223372036854775807",
  name: "n",
  count: 3,
  is_on: true,
  at: new Date(5),
  body: { a: 1 },
  list: ["a"],
  nothing: null,
});

test("columns are read as what they are", () => {
  expect([row.id("id"), row.text("name"), row.number("count"), row.boolean("is_on")]).toEqual([
    "9223372036854775807",
    "n",
    3,
    true,
  ]);
  expect([row.instant("at"), row.json("body"), row.jsonObject("body"), row.texts("list")]).toEqual([
    new Date(5),
    { a: 1 },
    { a: 1 },
    ["a"],
  ]);
  expect(row.word("name", ["m", "n"])).toBe("n");
});

test("a bigint may be negative, and an id may not", () => {
  const stray = new Row("find_thing", { key: "-9223372036854775808", count: 3, nothing: null });

  expect([stray.bigint("key"), stray.bigintOrNull("nothing")]).toEqual([-9_223_372_036_854_775_808n, null]);
  expect(() => stray.id("key")).toThrow("column key is not an id");
  expect(() => stray.bigint("count")).toThrow("find_thing: column count is not a bigint");
});

test("null is read only where it is allowed", () => {
  expect([
    row.idOrNull("nothing"),
    row.textOrNull("nothing"),
    row.numberOrNull("nothing"),
    row.instantOrNull("nothing"),
    row.json("nothing"),
    row.jsonObjectOrNull("nothing"),
  ]).toEqual([null, null, null, null, null, null]);
  expect(() => row.text("nothing")).toThrow("find_thing: column nothing is not text");
});

test.each([
  { what: "an id that is a number", read: () => row.id("count") },
  { what: "an id that is not a number", read: () => row.id("name") },
  { what: "text that is a number", read: () => row.text("count") },
  { what: "a number that is an id", read: () => row.number("id") },
  { what: "a boolean that is text", read: () => row.boolean("name") },
  { what: "an instant that is text", read: () => row.instant("name") },
  { what: "an object that is a list", read: () => row.jsonObject("list") },
  { what: "a word that is none of those expected", read: () => row.word("name", ["x"]) },
  { what: "a column that is not there", read: () => row.json("missing") },
])("$what is an error that names statement and column", ({ read }) => {
  expect(read).toThrow(/^find_thing: column \w+ is not /);
});

test("a statement is run under its name with its values, and its rows are decoded", async () => {
  const double: Statement<number, number> = {
    name: "double",
    text: "select $1 * 2 as twice",
    values: (input) => [input],
    decode: (found) => found.number("twice"),
  };
  const asked: object[] = [];
  const queryable = {
    query: async (query: object) => {
      asked.push(query);
      return { rows: [{ twice: 42 }] };
    },
  };

  expect(await rowsOf(queryable, double, 21)).toEqual([42]);
  expect(await rowOf(queryable, double, 21)).toBe(42);
  expect(asked[0]).toEqual({ name: "double", text: "select $1 * 2 as twice", values: [21] });
  const none = { query: async () => ({ rows: [] }) };
  expect(await rowOf(none, double, 1)).toBeUndefined();
  const two = { query: async () => ({ rows: [{ twice: 1 }, { twice: 2 }] }) };
  await expect(rowOf(two, double, 1)).rejects.toThrow("double: 2 rows where at most one was expected");
});
