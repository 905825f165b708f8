/** Whether tokens are still valid, judged by their rows in the database. */
import type { Id } from "../identifiers.ts";
import type { Role } from "./caller.ts";
import type { DecodedToken } from "./claims.ts";

export type TokenFact =
  | { readonly kind: "revoked"; readonly jti: string }
  /** An identity that exists. */
  | { readonly kind: "identity"; readonly id: Id; readonly role: Role; readonly tokenVersion: Id };

export interface TokensInQuestion {
  /** Ids of the tokens and of those from which they descend. */
  readonly jtis: readonly string[];
  /** Of those whose tokens were made by agents. */
  readonly identityIds: readonly Id[];
}

export function inQuestion(tokens: readonly DecodedToken[]): TokensInQuestion {
  const ours = tokens.filter(({ identityVersion }) => identityVersion !== null);
  return {
    jtis: [...new Set(tokens.flatMap(idsOf))],
    identityIds: [...new Set(ours.map(({ caller }) => caller.identityId))],
  };
}

/**
 * A token ends when it, or the one from which it descends, is revoked. One that an agent made also ends when its identity is
 * removed, or gets another role or password. `facts` must be those of the tokens in question.
 */
export function tokensThatHold(
  tokens: readonly DecodedToken[],
  facts: readonly TokenFact[],
): ReadonlySet<DecodedToken> {
  const revoked = new Set(facts.flatMap((fact) => (fact.kind === "revoked" ? [fact.jti] : [])));
  const identities = new Map(facts.flatMap((fact) => (fact.kind === "identity" ? [[fact.id, fact]] : [])));
  const holds = (token: DecodedToken): boolean => {
    if (idsOf(token).some((id) => revoked.has(id))) return false;
    const { caller, identityVersion } = token;
    if (identityVersion === null) return true;
    const identity = identities.get(caller.identityId);
    return identity?.role === caller.role && identity.tokenVersion === identityVersion;
  };
  return new Set(tokens.filter(holds));
}

function idsOf({ caller, family }: DecodedToken): readonly string[] {
  return [caller.jti, family].filter((id) => id !== null);
}
