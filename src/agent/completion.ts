/** Scripts with which a shell completes the commands and options of this program, made from the commands themselves. */
import type { Command } from "commander";

export const completedShells = ["bash", "zsh", "fish"] as const;

export type CompletedShell = (typeof completedShells)[number];

/** A command with what may follow it. */
interface Place {
  /** Names from the program to the command, such as "sensors list". Empty for the program itself. */
  readonly path: string;
  readonly words: readonly Word[];
}

interface Word {
  readonly text: string;
  readonly meaning: string;
}

export function completionScript(root: Command, shell: CompletedShell): string {
  const places = placesOf(root, []);
  const program = root.name();
  switch (shell) {
    case "bash":
      return bashScript(program, places);
    case "zsh":
      return `#compdef ${program}\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(program, places)}`;
    case "fish":
      return fishScript(program, places);
  }
}

function placesOf(command: Command, names: readonly string[]): readonly Place[] {
  const visible = command.commands.filter((child) => child.name() !== "help");
  const options = command.createHelp().visibleOptions(command);
  const words = [
    ...visible.map((child) => ({ text: child.name(), meaning: child.description() })),
    ...options.map((option) => ({ text: option.long ?? option.flags, meaning: option.description })),
  ];
  const inner = visible.flatMap((child) => placesOf(child, [...names, child.name()]));
  return [{ path: names.join(" "), words }, ...inner];
}

/** Options may stand anywhere, so the command is found from the words that are none. */
function bashScript(program: string, places: readonly Place[]): string {
  const name = `_${program.replaceAll("-", "_")}`;
  const cases = places.map(
    ({ path, words }) => `    ${quoted(path)}) words=${quoted(words.map(({ text }) => text).join(" "))} ;;`,
  );
  return `${name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} path= words= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
${places.flatMap(({ path }) => (path === "" ? [] : [`      ${quoted(path)}) path=${quoted(path)} ;;`])).join("\n")}
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F ${name} ${program}
`;
}

function fishScript(program: string, places: readonly Place[]): string {
  const lines = places.flatMap(({ path, words }) =>
    words.map(({ text, meaning }) => {
      const condition =
        path === ""
          ? "__fish_use_subcommand"
          : `__fish_seen_subcommand_from ${path.split(" ").join("; and __fish_seen_subcommand_from ")}`;
      const what = text.startsWith("--") ? `-l ${text.slice(2)}` : `-f -a ${quoted(text)}`;
      return `complete -c ${program} -n ${quoted(condition)} ${what} -d ${quoted(meaning)}`;
    }),
  );
  return `${lines.join("\n")}\n`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
