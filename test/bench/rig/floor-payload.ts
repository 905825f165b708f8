const filler = "x".repeat(920);

/** What a line of the bench's sensor carries, as JSON text. */
export function floorPayload(sequence: number): string {
  const isTenth = sequence % 10 === 0;
  return `{"sequence":${sequence},"isTenth":${isTenth},"writtenAtUs":${Date.now() * 1_000},"filler":"${filler}"}`;
}
