import { isInherited } from "../model/inherited-variables.ts";

/**
 * The environment variables for version commands: those that sensors inherit too, and nothing secret. LD_* is
 * included because in some images interpreters start only with LD_LIBRARY_PATH.
 *
 * @param environment with the variables restored that the executable set aside for the image's programs
 */
export function probeEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && (isInherited(name) || name.startsWith("LD_"))) kept[name] = value;
  }
  return kept;
}
