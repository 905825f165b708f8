import { expect, test } from "vitest";
import { parseConditionField, parseFieldPath, readPath } from "../../src/model/field-path.ts";

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
])("%s is no path", (text, problem) => {
  expect(parseFieldPath(text)).toEqual({ kind: "invalid", problem });
});

test.each([
  ["payload.a", ["a"]],
  ["a", ["a"]],
  ["payload", []],
  ["payload[0]", ["0"]],
  ["payload.payload", ["payload"]],
  ['["payload"].a', ["payload", "a"]],
  ["payloads.a", ["payloads", "a"]],
])("the field %s is %j of the payload", (text, path) => {
  expect(parseConditionField(text)).toEqual({ kind: "valid", value: path });
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
