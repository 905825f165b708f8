/** The agent's own variables that every program it starts may see; nothing else of its own reaches one. */
const inherited: ReadonlySet<string> = new Set(["PATH", "HOME", "LANG", "TZ", "TMPDIR"]);

export function isInherited(name: string): boolean {
  return inherited.has(name) || name.startsWith("LC_");
}
