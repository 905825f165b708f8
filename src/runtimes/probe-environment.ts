import { isInherited } from "../model/inherited-variables.ts";

/**
 * What a version command is given of the environment: what it needs to find itself and its libraries and
 * to speak, as sensors are given it too, and nothing secret. LD_*: some images start their interpreters
 * only with LD_LIBRARY_PATH.
 *
 * @param environment with what the executable set aside for the image's programs restored
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
