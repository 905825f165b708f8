/** Nothing depends on the parts of Node that were emptied: tested with the emptied Node itself. */
import { execFileSync } from "node:child_process";
import { mkdtempDisposable, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { slimNode } from "../../build/node/slim-node.ts";

const scope = new AsyncDisposableStack();
let slim: string;
beforeAll(async () => {
  const { path } = scope.use(await mkdtempDisposable(join(tmpdir(), "attune-slim-")));
  slim = join(path, "node");
  await writeFile(slim, slimNode(await readFile(process.execPath)), { mode: 0o755 });
});
afterAll(async () => scope.disposeAsync());

function answers(node: string, script: string, environment: Record<string, string> = {}): unknown {
  const text = `console.log(JSON.stringify((() => { ${script} })()))`;
  return JSON.parse(execFileSync(node, ["-e", text], { env: environment, encoding: "utf8" }));
}

test.each([
  [
    "English",
    `return [new Date(0).toLocaleString("en-GB", { timeZone: "Asia/Tokyo", dateStyle: "full" }),
    (1234567.891).toLocaleString("en-US"), new Intl.PluralRules("en").select(1),
    new Intl.RelativeTimeFormat("en").format(-3, "day"), ["b", "a", "C"].sort(new Intl.Collator("en").compare)]`,
  ],
  [
    "time zones",
    `return ["Europe/Berlin", "America/Sao_Paulo", "Asia/Kathmandu"].map((timeZone) =>
    new Date(1e12).toLocaleString("en", { timeZone, timeZoneName: "longOffset" }))`,
  ],
  [
    "encodings",
    `return ["shift_jis", "gb18030", "windows-1251", "utf-16le"].map((name) =>
    new TextDecoder(name).decode(new Uint8Array([0x83, 0x65, 0x83, 0x58])))`,
  ],
  [
    "normal forms and cases",
    `return ["\\u00c5\\ufb01".normalize("NFKD"), "e\\u0301".normalize("NFC"),
    "STRASSE".toLocaleLowerCase("en"), /\\p{Script=Greek}/u.test("\\u03b1"), new URL("http://b\\u00fccher.example").host]`,
  ],
])("%s are as in the whole Node", (_, script) => {
  expect(answers(slim, script)).toEqual(answers(process.execPath, script));
});

test.each(["de-DE", "zh-TW", "th", "ar-EG", "pt-BR"])("asked for %s, it answers all the same", (locale) => {
  const script = `const locale = ${JSON.stringify(locale)};
    return [new Date(0).toLocaleString(locale), (1.5).toLocaleString(locale), "a".localeCompare("b", locale),
      new Intl.DisplayNames(locale, { type: "region" }).of("FR"), new Intl.ListFormat(locale).format(["x", "y"]),
      new Intl.RelativeTimeFormat(locale).format(1, "day"), new Intl.PluralRules(locale).select(2),
      [...new Intl.Segmenter(locale, { granularity: "word" }).segment("one two")].length, "I".toLocaleLowerCase(locale)]`;

  const asked = answers(slim, script);
  const bySystem = answers(slim, script.replace(JSON.stringify(locale), "undefined"), {
    LC_ALL: `${locale.replace("-", "_")}.UTF-8`,
  });

  expect(asked).toHaveLength(9);
  expect(asked).not.toContain("");
  expect(bySystem).toHaveLength(9);
  expect(bySystem).not.toContain("");
});
