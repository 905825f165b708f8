import * as fc from "fast-check";
import { expect, test } from "vitest";
import { parseFieldPath, readPath, writeFieldPath } from "../../../src/model/paths/field-path.ts";

test.each([
  ["a", ["a"]],
  ["a.b.c", ["a", "b", "c"]],
  ["items[0].name", ["items", "0", "name"]],
  ["items.0.name", ["items", "0", "name"]],
  ["[1][2]", ["1", "2"]],
  [`a["b.c"]['d"e'].f`, ["a", "b.c", 'd"e', "f"]],
  ['[""]', [""]],
  ["with space.ünïcode-$1", ["with space", "ünïcode-$1"]],
])("%s is a path of %j", (text, path) => {
  expect(parseFieldPath(text)).toEqual({ kind: "valid", value: path });
});

test.each([
  ["", "is empty"],
  [".a", '".a" is not a path: no name can be read at character 1'],
  ["a.", '"a." is not a path: no name can be read at character 2'],
  ["a[b]", '"a[b]" is not a path: no name can be read at character 2'],
  ["a[-1]", '"a[-1]" is not a path: no name can be read at character 2'],
  ["a[0]b", '"a[0]b" is not a path: no name can be read at character 5'],
  ["x.".repeat(32).concat("x"), expect.stringContaining("goes more than 32 names deep")],
  ["x".repeat(1_025), "is longer than 1024 characters"],
])("%s is not a path", (text, problem) => {
  expect(parseFieldPath(text)).toEqual({ kind: "invalid", problem });
});

test.each([
  [["a", "b-c", "ünïcode"], "a.b-c.ünïcode"],
  [["items", "0", "name"], "items[0].name"],
  [["a", "b.c", "d e", "", "01"], 'a["b.c"]["d e"][""].01'],
  [['say "hi"'], `['say "hi"']`],
  [[`both ' and "`], undefined],
])("%j is written %s", (path, text) => {
  expect(writeFieldPath(path)).toBe(text);
});

test("a path that is written is read as the same path", () => {
  const characters = fc.constantFrom(...Array.from("ab0_- .[]'\"\\$#é😀"));
  const names = fc.array(fc.string({ unit: characters, maxLength: 6 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(names, (path) => {
      const text = writeFieldPath(path);
      if (text !== undefined) expect(parseFieldPath(text)).toEqual({ kind: "valid", value: path });
    }),
  );
});

test("finds own properties and elements, and nothing else", () => {
  const root = JSON.parse('{"a": [{"b": null}, 2], "t": "text", "__proto__": {"own": 1}, "0": "zero"}');

  expect(readPath(root, ["a", "0", "b"])).toBeNull();
  expect(readPath(root, ["__proto__", "own"])).toBe(1);
  expect(readPath(root, ["0"])).toBe("zero");
  expect(readPath(root, [])).toBe(root);
  for (const path of [
    ["a", "2"],
    ["a", "01"],
    ["a", ""],
    ["a", "-0"],
    ["a", "length"],
    ["a", "map"],
    ["a", "0", "b", "c"],
    ["t", "0"],
    ["t", "length"],
    ["constructor"],
    ["a", "__proto__"],
    ["toString", "name"],
  ]) {
    expect(readPath(root, path), path.join(".")).toBeUndefined();
  }
});
