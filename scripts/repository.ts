import { resolve } from "node:path";

/** The root folder of this checkout. */
export const repositoryRoot = resolve(import.meta.dirname, "..");
