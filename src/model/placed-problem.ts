/** A problem in a document and its place, such as `["conditions", "all", 1, "operator"]`. */
export interface PlacedProblem {
  readonly place: Place;
  /** A clause that follows the place. */
  readonly reason: string;
}

export type Place = readonly (string | number)[];

/** How many problems a line lists, each like `conditions.all[1].operator: is missing`. */
const describedMax = 5;

export function describePlaced(problems: readonly PlacedProblem[]): string {
  return problems
    .slice(0, describedMax)
    .map(({ place, reason }) => `${placeText(place)}: ${reason}`)
    .join("; ");
}

/** Like `conditions.all[1].operator`. */
export function placeText(place: Place): string {
  return place
    .map((part, index) => (typeof part === "number" ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join("");
}
