/** How `packs check` can report. Apart from the reports themselves, since every call of the agent reads this. */
export const checkFormats = ["text", "json", "github"] as const;

export type CheckFormat = (typeof checkFormats)[number];
