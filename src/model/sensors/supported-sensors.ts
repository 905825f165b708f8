/** Which sensors this version can run on any worker. */

const protocols: ReadonlySet<string> = new Set(["poll", "stream"]);

/** @returns why not; undefined if it can */
export function unsupported(protocol: string, runtimeName: string | null): string | undefined {
  if (!protocols.has(protocol)) return `protocol ${protocol} is not supported by this version`;
  if (runtimeName === "builtin") return "built-in sensors are not supported by this version";
  return undefined;
}
