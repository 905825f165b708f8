/**
 * Identifiers: a row's bigint as decimal text, and message UUIDs derived from the row.
 *
 * A message's id is a version 8 UUID (RFC 9562 section 5.8) built from the installation, the kind of
 * message and the id of the row it reports. Whichever process publishes the same fact again uses the same
 * id, so consumers can recognise duplicates:
 *
 *     iiiiiiii-iiii-8kkk-vnnn-nnnnnnnnnnnn
 *     i  first 48 bits of the installation's id
 *     k  kind of message
 *     v  variant bits (10), then the 62 low bits of the number
 *
 * The function rule_message_id in migrations/ builds ids of kind 3 the same way.
 */

/** A bigint column's value as decimal text, since a number could lose digits. */
export type Id = string;

/** As consumers get an id: a number, or text beyond what a number can carry exactly. */
export function idNumber(id: Id): number | string {
  const number = Number(id);
  return Number.isSafeInteger(number) ? number : id;
}

const messageKinds = { event: "001", enforcement: "002", ruleChange: "003" } as const;

export type MessageKind = keyof typeof messageKinds;

/** Integers with this many decimal digits are below 2^48: twelve hexadecimal digits. */
const plainDigits = 14;
const lowDigits = 12;
const zero = 0x30;
/** The variant's bits before the two highest of the 62. */
const variants = "89ab";

/**
 * @param installationId the installation's UUID
 * @param number the bigint id of the row that the message reports, below 2^62
 */
export function messageId(installationId: string, kind: MessageKind, number: Id): string {
  const begin = beginOf(installationId, kind);
  // BigInt is ten times slower, and needed only for ids that are never reached in practice.
  if (number.length <= plainDigits) {
    const low = Number(number).toString(16);
    return `${begin}8000-${zeros.slice(low.length)}${low}`;
  }
  const hex = BigInt(number).toString(16).padStart(16, "0");
  const high = variants.charAt(hex.charCodeAt(0) - zero) + hex.slice(1, 4);
  return `${begin}${high}-${hex.slice(4)}`;
}

const zeros = "0".repeat(lowDigits);

/** The beginnings of the last installation's ids, by kind: a process has one. */
let begins = { installationId: "", texts: beginsFor("") };

function beginOf(installationId: string, kind: MessageKind): string {
  if (begins.installationId !== installationId) begins = { installationId, texts: beginsFor(installationId) };
  return begins.texts[kind];
}

function beginsFor(installationId: string): Readonly<Record<MessageKind, string>> {
  const begin = (kind: MessageKind): string => `${installationId.slice(0, 13)}-8${messageKinds[kind]}-`;
  return { event: begin("event"), enforcement: begin("enforcement"), ruleChange: begin("ruleChange") };
}

/** Ids from `from` (inclusive) to `to` (exclusive). */
export interface MessageIdRange {
  readonly from: string;
  readonly to: string;
}

/** The id range of each kind, and the ranges below and above, which contain no ids made by `messageId`. */
export function messageIdRanges(
  installationId: string,
): Readonly<Record<MessageKind | "below" | "above", MessageIdRange>> {
  const at = (kind: number): string => `${installationId.slice(0, 13)}-800${kind}-0000-000000000000`;
  return {
    below: { from: "00000000-0000-0000-0000-000000000000", to: at(1) },
    event: { from: at(1), to: at(2) },
    enforcement: { from: at(2), to: at(3) },
    ruleChange: { from: at(3), to: at(4) },
    above: { from: at(4), to: "ffffffff-ffff-ffff-ffff-ffffffffffff" },
  };
}

/** The kind of message with this id; undefined if `messageId` did not make it. */
export function messageKindOf(id: string): MessageKind | undefined {
  const digits = id.slice(15, 18);
  if (digits === messageKinds.event) return "event";
  if (digits === messageKinds.enforcement) return "enforcement";
  return digits === messageKinds.ruleChange ? "ruleChange" : undefined;
}

/** The id that follows this one in the database's order. */
export function nextMessageId(id: string): string {
  const hex = (BigInt(`0x${id.replaceAll("-", "")}`) + 1n).toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
