/**
 * Reads JSON of the agent. The page comes from the same executable as its API, whose answers follow the schemas of
 * docs/openapi.json, so their types are taken as given here, and nowhere else.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function readAnswer<Answer>(text: string): Answer {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return JSON.parse(text) as Answer;
}
