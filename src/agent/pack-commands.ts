/** Adds the commands that work with pack folders: `packs check`, `packs test` and the like. */
import { Option, type Command } from "commander";
import { checkFormats } from "./check-formats.ts";
import type { Invocation } from "./invocation.ts";
import type { Run } from "./resource-commands.ts";
import { testFormats } from "./test-formats.ts";

/** What the commands need of the command line, once it is parsed. */
export interface PackContext {
  readonly invocation: Invocation;
  /** `--api`. */
  readonly apiUrl: string | undefined;
  /** `--format`, one that the command has. */
  readonly format: string;
}

export function addPackCommands(root: Command, run: Run, context: () => PackContext): void {
  const packs = root.command("packs").description("work with pack folders");
  packs
    .command("new")
    .argument("<directory>", "folder of the new pack; its name becomes the pack's ref")
    .addOption(
      new Option("--language <language>", "language of its sensor")
        .choices(["python", "node", "shell"])
        .default("python"),
    )
    .description("create a starter pack: a sensor, a rule and a test of the rule")
    .action((directory: string, { language }: { readonly language: "python" | "node" | "shell" }) =>
      run(async () => {
        const { makePack } = await import("./commands/packs-new.ts");
        return makePack(context().invocation, directory, language);
      }),
    );
  packs
    .command("schemas")
    .argument("<directory>", "folder of a pack")
    .description("write the JSON Schemas of pack files into its folder schemas, for editors")
    .action((directory: string) =>
      run(async () => {
        const { writeSchemas } = await import("./commands/packs-new.ts");
        return writeSchemas(context().invocation, directory);
      }),
    );
  packs
    .command("check")
    .argument("<directories...>", "pack folders")
    .description("check pack folders without a database; exit 1 if anything is wrong")
    .action((directories: string[]) =>
      run(async () => {
        const { checkPacks } = await import("./commands/packs-check.ts");
        const { invocation, format } = context();
        return checkPacks(invocation, directories, checkFormats.find((each) => each === format) ?? "text");
      }),
    );
  packs
    .command("test")
    .argument("<directories...>", "pack folders")
    .description("test the rules of packs with the events in their folder tests; exit 1 if a case fails")
    .action((directories: string[]) =>
      run(async () => {
        const { testPacks } = await import("./commands/packs-test.ts");
        const { invocation, format } = context();
        return testPacks(invocation, directories, testFormats.find((each) => each === format) ?? "text");
      }),
    );
  packs
    .command("load")
    .argument("<directories...>", "pack folders")
    .description(
      "validate pack folders and load their definitions: through the API of --api or of this machine's agent, else into the database",
    )
    .action((directories: string[]) =>
      run(async () => {
        const { loadPacks } = await import("./commands/packs-load.ts");
        const { invocation, apiUrl } = context();
        return loadPacks(invocation, directories, apiUrl);
      }),
    );
}
