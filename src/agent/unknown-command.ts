import { meantText } from "../model/texts/meant-text.ts";
import { nearestName } from "../model/texts/nearest-name.ts";

/** A clause about a command that does not exist, with the one that was probably meant. */
export function unknownCommandText(name: string, known: readonly string[]): string {
  return `unknown command '${name}'${meantText(nearestName(name, known))}`;
}
