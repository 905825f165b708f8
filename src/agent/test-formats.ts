/** The report formats of `packs test`. In a file of its own, because every start of the agent loads it. */
export const testFormats = ["text", "json", "junit"] as const;

export type TestFormat = (typeof testFormats)[number];
