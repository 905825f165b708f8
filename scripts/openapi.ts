/** Writes docs/openapi.json, which a test compares with the routes. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describeApi } from "./openapi/describe-api.ts";
import { repositoryRoot } from "./repository.ts";

await writeFile(join(repositoryRoot, "docs/openapi.json"), await describeApi());
