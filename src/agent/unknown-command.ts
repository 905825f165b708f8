import type { Command } from "commander";
import { meantText } from "../model/texts/meant-text.ts";
import { nearestName } from "../model/texts/nearest-name.ts";

/** A name in more groups than this, such as list, is too common to suggest. */
const groupsMax = 3;

/** Commands of other programs that do what this one does without any. */
const runNames: ReadonlySet<string> = new Set(["run", "serve", "start"]);

/** A clause about a command that does not exist, with the one that was probably meant. */
export function unknownCommandText(name: string, root: Command): string {
  if (runNames.has(name)) return `unknown command '${name}'; without a command, the agent runs`;
  const nearest = nearestName(
    name,
    root.commands.map((command) => command.name()),
  );
  return `unknown command '${name}'${meantText(nearest ?? withinGroups(name, root))}`;
}

/** The commands of this name in groups, for a name typed without its group. */
function withinGroups(name: string, root: Command): string | undefined {
  const found = root.commands
    .filter((group) => group.commands.some((command) => command.name() === name))
    .map((group) => `${group.name()} ${name}`);
  if (found.length === 0 || found.length > groupsMax) return undefined;
  return new Intl.ListFormat("en", { type: "disjunction" }).format(found.toSorted());
}
