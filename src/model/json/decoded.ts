/** The result of decoding external input: the value, or what is wrong with the input. */
export type Decoded<Value> =
  { readonly kind: "valid"; readonly value: Value } | { readonly kind: "invalid"; readonly problem: string };

export function valid<Value>(value: Value): Decoded<Value> {
  return { kind: "valid", value };
}

export function invalid(problem: string): { readonly kind: "invalid"; readonly problem: string } {
  return { kind: "invalid", problem };
}
