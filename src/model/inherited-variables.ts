/** The agent's only environment variables that the programs it starts inherit. */
const inherited: ReadonlySet<string> = new Set(["PATH", "HOME", "LANG", "TZ", "TMPDIR"]);

export function isInherited(name: string): boolean {
  return inherited.has(name) || name.startsWith("LC_");
}
