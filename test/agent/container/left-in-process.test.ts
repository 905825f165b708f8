/**
 * What the built executable, once it serves, has open and mapped: exactly what docs/portable-executable.md
 * lists under "What is left in the process".
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { repositoryRoot } from "../../../scripts/repository.ts";
import { agentFolder, ready, startAgent } from "../../support/agent-process.ts";
import { freshDatabase } from "../../support/postgres.ts";

const executable = join(repositoryRoot, "dist/attune-sensor-agent");
const page = readFileSync(join(repositoryRoot, "docs/portable-executable.md"), "utf8");

const scope = new AsyncDisposableStack();
let pid: number;
beforeAll(async () => {
  const { url } = scope.use(await freshDatabase());
  const folder = scope.use(
    await agentFolder({
      databaseUrl: url,
      brokerUrl: undefined,
      packsDirectory: join(repositoryRoot, "packs"),
      workerName: "sensor-left",
    }),
  );
  const agent = scope.use(await startAgent(folder, { command: { file: executable, args: [] } }));
  await ready(agent, folder);
  ({ pid } = agent);
});
afterAll(async () => scope.disposeAsync());

test("every descriptor is listed, with their number where it is fixed", async () => {
  const rows = tableUnder("in `/proc/<pid>/fd`");
  const listed = new Set(rows.map(([name = ""]) => unquoted(name)[0]));

  // A file that is just being written is open for a moment.
  const unlisted = (): string[] => descriptorsOf(pid).filter((name) => !listed.has(withoutNumber(name)));
  await expect.poll(unlisted).toEqual([]);
  const found = Map.groupBy(descriptorsOf(pid), withoutNumber);
  for (const [name = "", count = ""] of rows) {
    const present = found.get(unquoted(name)[0] ?? "")?.length ?? 0;
    if (count === "some") expect(present, name).toBeGreaterThan(0);
    else expect(count.split(" or ").map(Number), name).toContain(present);
  }
});

test("every mapping with a name is listed, and of the executable's the executable ones", () => {
  const mappings = readFileSync(`/proc/${pid}/maps`, "utf8").trimEnd().split("\n").map(parseMapping);

  const listed = tableUnder("in `/proc/<pid>/maps`").flatMap(([name = ""]) => unquoted(name));
  const names = mappings.map(({ name }) => name.replace(executable, "attune-sensor-agent"));
  const libraries = /^\/memfd:lib.*\.so\.\d+ \(deleted\)$/;
  const unlisted = names.filter((name) => name !== "" && !listed.includes(name) && !libraries.test(name));
  expect(unlisted).toEqual([]);

  const code = mappings.filter(({ name, mode }) => name === executable && mode === "r-xp");
  expect(code.filter(({ bytes }) => bytes === 0x10000)).toHaveLength(1);
  expect(code).toHaveLength(3);
  // Only V8 has memory that is both.
  expect(mappings.filter(({ name, mode }) => mode.includes("wx") && name !== "")).toEqual([]);
});

test("nothing waits to open a debugger", () => {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const threads = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8").trim());

  expect(threads).not.toContain("SignalInspector");
});

/** But for the standard streams, and what this process itself was started with and passed on. */
function descriptorsOf(id: number): string[] {
  const inherited = new Set(linksOf("self").filter((link) => /^(pipe|socket):/.test(link)));
  return linksOf(id, (descriptor) => descriptor > 2).filter((link) => !inherited.has(link));
}

function linksOf(id: number | "self", isWanted: (descriptor: number) => boolean = () => true): string[] {
  return readdirSync(`/proc/${id}/fd`)
    .filter((descriptor) => isWanted(Number(descriptor)))
    .flatMap((descriptor) => {
      try {
        return [readlinkSync(`/proc/${id}/fd/${descriptor}`)];
      } catch {
        return []; // Closed meanwhile: it was the one that the folder was read through.
      }
    });
}

function parseMapping(line: string): {
  readonly mode: string;
  readonly bytes: number;
  readonly name: string;
} {
  const [range = "", mode = "", , , , ...name] = line.split(/ +/);
  const [start = 0, end = 0] = range.split("-").map((address) => Number.parseInt(address, 16));
  return { mode, bytes: end - start, name: name.join(" ") };
}

/** "pipe:[123]" as the page has it: "pipe:[…]". */
function withoutNumber(link: string): string {
  return link.replace(/\[\d+\]$/, "[…]");
}

/** The cells of the table with this first heading, row by row. */
function tableUnder(heading: string): string[][] {
  const lines = page.split("\n");
  const first = lines.findIndex((line) => line.startsWith(`| ${heading} `));
  const rows = lines.slice(first + 2);
  return rows.slice(0, rows.indexOf("")).map((row) =>
    row
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

function unquoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? "");
}
