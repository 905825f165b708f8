import { resolve } from "node:path";

/** The folder this repository is checked out in. */
export const repositoryRoot = resolve(import.meta.dirname, "..");
