/** The numbers are those of the list in build/packing/stub/stub.c. */
import { chmod } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { segmentType } from "../../build/packing/elf.ts";
import { copyProbe, packProbe, type PackedProbe, run, runAsProcess1 } from "./packed-probe.ts";

const nobody = 65_534;

describe.each(["fixed", "position-independent"] as const)("a %s program", (kind) => {
  let packed: PackedProbe;
  beforeAll(async () => {
    packed = await packProbe(kind);
  });
  afterAll(async () => packed[Symbol.asyncDispose]());

  const tell = async (...args: readonly string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await run(packed.probe, args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    return stdout.trimEnd().split("\n");
  };

  test("1: is entered in the stub, and finds loader, entry and page size in its auxiliary vector", async () => {
    const [base = "", entry = "", page = "", ...maps] = await tell("auxiliary");
    const { stdout: kernelsPage } = await run("/usr/bin/getconf", ["PAGESIZE"]);
    const addressIn = (line: string): number => Number.parseInt(line.split(" ")[1] ?? "", 16);

    expect(mappingAt(maps, addressIn(base))).toContain("memfd:ld.so");
    expect(mappingAt(maps, addressIn(entry))).toContain("r-xp");
    expect(mappingAt(maps, addressIn(entry))).toContain("/probe");
    expect(`${page}\n`).toBe(`page ${kernelsPage}`);
  });

  test("2: shows the loader a table of program headers that names an interpreter", async () => {
    const types = (await tell("headers")).map(Number);

    expect(types).toContain(segmentType.interpreter);
    expect(types.filter((type) => type === segmentType.headers)).toHaveLength(1);
  });

  test("3, 4, 5: gets its libraries, their needs and their symbol versions in an empty root", async () => {
    const ended = await runAsProcess1(packed, ["/probe", "root", "2"]);

    expect(ended).toMatchObject({ code: 0, stdout: "1.414\n", stderr: "" });
  });

  test("6: runs code from memory files, which are not executable files", async () => {
    const maps = await tell("maps");

    const code = maps.filter((line) => line.includes("r-xp") && line.includes("/memfd:"));
    const names = code.map((line) => /memfd:(\S+)/.exec(line)?.[1] ?? "").toSorted();
    expect(names).toEqual(["ld.so", "libc.so.6", "libm.so.6"]);
  });

  test("leaves nothing writable and executable, and the payload unmapped", async () => {
    const maps = await tell("maps");

    expect(maps.filter((line) => line.includes("rwx"))).toEqual([]);
    const own = maps.filter((line) => line.endsWith("/probe"));
    const bytes = own.map((line) => {
      const [start = "", end = ""] = (line.split(" ")[0] ?? "").split("-");
      return Number.parseInt(end, 16) - Number.parseInt(start, 16);
    });
    expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(300_000);
  });

  test("leaves writable what the program has writable, and nothing of its own", async () => {
    const writable = (maps: readonly string[]): number =>
      maps.filter((line) => line.includes(" rw") && line.endsWith("/probe")).length;
    const { stdout: unpacked } = await run(packed.unpacked, ["maps"]);

    expect(writable(await tell("maps"))).toBe(writable(unpacked.trimEnd().split("\n")));
  });

  test("8: has the descriptors that it was given and no others", async () => {
    const { stdout: given } = await run(packed.unpacked, ["descriptors"]);

    expect((await tell("descriptors")).join("\n")).toBe(given.trimEnd());
  });

  test("9: keeps inherited descriptors, and leaves a closed standard stream closed", async () => {
    const descriptorsOf = async (program: string): Promise<string> => {
      const command = `${packed.confine} standard-input-closed ${program} descriptors`;
      const { stdout } = await run("/bin/sh", ["-c", `exec 7</dev/null 5</dev/null; exec ${command}`]);
      return stdout;
    };

    const descriptors = await descriptorsOf(packed.probe);

    expect(descriptors).toMatch(/^1\n2\n5\n7\n/);
    expect(descriptors).toBe(await descriptorsOf(packed.unpacked));
  });
});

describe("a packed program", () => {
  let packed: PackedProbe;
  beforeAll(async () => {
    packed = await packProbe("fixed");
  });
  afterAll(async () => packed[Symbol.asyncDispose]());

  test("7: starts with a loader whose last page was zeroed", async () => {
    // What the loader takes from that page first is the environment it prints of itself.
    const { code, stdout } = await run(packed.probe, ["root", "9"], { env: { LD_DEBUG: "all" } });

    expect({ code, stdout }).toEqual({ code: 0, stdout: "3.000\n" });
  });

  test("starts on kernels before 6.3, which do not know of files that are not executable", async () => {
    const { code, stdout } = await run(packed.confine, ["old-kernel", packed.probe, "root", "9"]);

    expect({ code, stdout }).toEqual({ code: 0, stdout: "3.000\n" });
  });

  test("hides what the image means for its own programs, and nothing else", async () => {
    const env = {
      HOME: "/root",
      LD_PRELOAD: "/usr/lib/libfoo.so",
      LD_LIBRARY_PATH: "/opt/lib",
      NODE_OPTIONS: "--require /app/hook.js",
      NODE_EXTRA_CA_CERTS: "/etc/ssl/ours.pem",
      GLIBC_TUNABLES: "glibc.malloc.check=3",
      GLIBC_TUNABLES_OF_MINE: "kept",
      OLD_LD_PRELOAD: "kept",
      LD: "kept",
    };

    const { stdout } = await run(packed.probe, ["environment"], { env });

    expect(stdout.trimEnd().split("\n").toSorted()).toEqual(
      [
        "@D_LIBRARY_PATH=/opt/lib",
        "@D_PRELOAD=/usr/lib/libfoo.so",
        "@LIBC_TUNABLES=glibc.malloc.check=3",
        "@ODE_OPTIONS=--require /app/hook.js",
        "GLIBC_TUNABLES_OF_MINE=kept",
        "HOME=/root",
        "LD=kept",
        "NODE_EXTRA_CA_CERTS=/etc/ssl/ours.pem",
        "OLD_LD_PRELOAD=kept",
      ].toSorted(),
    );
  });

  test("12: learns from a variable that it was started with SIGHUP ignored, and finds its auxiliary vector", async () => {
    const nohup = (...args: readonly string[]) => run("/usr/bin/nohup", [packed.probe, ...args]);

    expect(await nohup("environment")).toMatchObject({ code: 0, stdout: "ATTUNE_IGNORES_HANGUP=1\n" });
    expect((await nohup("auxiliary")).stdout).toMatch(/^page \d+$/m);
    expect(await nohup("root", "2")).toMatchObject({ code: 0, stdout: "1.414\n" });
    expect((await run(packed.probe, ["environment"])).stdout).toBe("");
  });

  test.runIf(process.getuid?.() === 0)(
    "10: when set-user-ID, leaves the environment to the loader, which removes what is dangerous",
    async () => {
      const path = await copyProbe(packed, "probe-setuid");
      await chmod(path, 0o4755);

      const { code, stdout } = await run(path, ["environment"], {
        env: { LD_PRELOAD: "/usr/lib/libfoo.so", NODE_OPTIONS: "--x" },
        uid: nobody,
      });

      expect({ code, stdout }).toEqual({ code: 0, stdout: "NODE_OPTIONS=--x\n" });
    },
  );
});

/** The line of /proc/self/maps that holds the address. */
function mappingAt(maps: string[], address: number): string | undefined {
  return maps.find((line) => {
    const [start = "", end = ""] = (line.split(" ")[0] ?? "").split("-");
    return Number.parseInt(start, 16) <= address && address < Number.parseInt(end, 16);
  });
}
