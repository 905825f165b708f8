/** Finds the local process that listens on a port, as far as this user may see. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename } from "node:path";

export interface PortHolder {
  readonly pid: number;
  readonly program: string;
  /** Whether it is an agent, run as the executable or from source. */
  readonly isAgent: boolean;
  /** The name in its command line. */
  readonly worker: string | undefined;
}

export function portHolder(port: number): PortHolder | undefined {
  const sockets = listeningSockets(port);
  const pid = readList("/proc").find((name) => /^\d+$/.test(name) && holdsOneOf(`/proc/${name}/fd`, sockets));
  if (pid === undefined) return undefined;
  const words = readText(`/proc/${pid}/cmdline`).split("\0");
  const nameAt = words.findIndex((word) => word === "--name" || word === "-n");
  return {
    pid: Number(pid),
    program: readText(`/proc/${pid}/comm`).trim(),
    isAgent: words.some((word) => basename(word) === "attune-sensor-agent" || word.endsWith("src/main.ts")),
    worker: nameAt === -1 ? undefined : words[nameAt + 1],
  };
}

/** proc(5) `net/tcp`: the second column ends in the port, the fourth is 0A for LISTEN, the tenth the inode. */
function listeningSockets(port: number): ReadonlySet<string> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((path) => readText(path).split("\n").slice(1));
  const inodes = rows
    .map((row) => row.trim().split(/\s+/))
    .flatMap(([, local, , state, , , , , , inode]) =>
      state === "0A" && local?.endsWith(suffix) === true && inode !== undefined ? [`socket:[${inode}]`] : [],
    );
  return new Set(inodes);
}

function holdsOneOf(folder: string, sockets: ReadonlySet<string>): boolean {
  return readList(folder).some((descriptor) => {
    try {
      return sockets.has(readlinkSync(`${folder}/${descriptor}`));
    } catch {
      return false; // Closed meanwhile.
    }
  });
}

/** Empty for a process that has ended or belongs to another user. */
function readList(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
