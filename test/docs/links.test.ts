import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const pages = [
  join(root, "README.md"),
  ...globSync("docs/**/*.md", { cwd: root }).map((page) => join(root, page)),
];

test("every relative link in the README and in docs leads to a file, and to a heading in it", () => {
  const dead = pages.flatMap((page) =>
    linksIn(readFileSync(page, "utf8"))
      .filter((link) => !leadsSomewhere(page, link))
      .map((link) => `${relative(root, page)}: ${link}`),
  );

  expect(pages.length).toBeGreaterThan(10);
  expect(dead).toEqual([]);
});

test("every page of docs can be reached from the README", () => {
  const reached = new Set<string>();
  const visit = (page: string): void => {
    if (reached.has(page) || !page.endsWith(".md")) return;
    reached.add(page);
    for (const link of linksIn(readFileSync(page, "utf8"))) {
      const target = join(dirname(page), link.split("#")[0] ?? "");
      if (existsSync(target) && statSync(target).isDirectory()) {
        for (const name of globSync("*.md", { cwd: target })) visit(join(target, name));
      } else if (existsSync(target)) visit(target);
    }
  };
  visit(join(root, "README.md"));

  expect(pages.filter((page) => !reached.has(page)).map((page) => relative(root, page))).toEqual([]);
});

/** The targets of links within the repository, without those in code, which are examples. */
function linksIn(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "").replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .flatMap(([, link]) => link ?? [])
    .filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [file = "", fragment] = link.split("#");
  const target = file === "" ? page : join(dirname(page), file);
  if (!existsSync(target)) return false;
  if (fragment === undefined || !target.endsWith(".md")) return true;
  return anchorsOf(readFileSync(target, "utf8")).has(fragment);
}

/** As GitHub makes them of headings: lower case, no punctuation, a hyphen for each space. */
function anchorsOf(markdown: string): ReadonlySet<string> {
  const headings = [...markdown.matchAll(/^#+ +(.+)$/gm)].flatMap(([, heading]) => heading ?? []);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}
