/**
 * What a version command is given of the agent's environment: what it needs to find itself and to
 * speak, as sensors are given it too, and nothing secret.
 */
const names: ReadonlySet<string> = new Set(["PATH", "HOME", "LANG", "TZ", "TMPDIR"]);

export function probeEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && (names.has(name) || name.startsWith("LC_"))) kept[name] = value;
  }
  return kept;
}
