/** Writes schemas/*.json, the JSON Schemas of pack files, which a test compares with the code. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { schemaFiles } from "../src/packs/new-pack.ts";
import { repositoryRoot } from "./repository.ts";

await mkdir(join(repositoryRoot, "schemas"), { recursive: true });
for (const { path, text } of schemaFiles()) await writeFile(join(repositoryRoot, path), text);
