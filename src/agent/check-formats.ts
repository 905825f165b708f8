/** The report formats of `packs check`. In a file of its own, because every start of the agent loads it. */
export const checkFormats = ["text", "json", "github"] as const;

export type CheckFormat = (typeof checkFormats)[number];
