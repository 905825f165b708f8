/** How requests are signed, decoded from the setting `signature`. */
import type { JsonObject, JsonValue } from "../json/json.ts";
import type { SettingFields } from "./setting-fields.ts";
import {
  secretEncodings,
  signatureAlgorithms,
  signatureEncodings,
  signedParts,
  timestampUnits,
  type SignatureScheme,
} from "./signature-scheme.ts";

const signatureNames = [
  "algorithm",
  "header",
  "prefix",
  "separator",
  "encoding",
  "signed",
  "timestamp_header",
  "timestamp_part",
  "timestamp_unit",
  "tolerance",
  "secret_encoding",
  "secret_prefix",
];

/** @param defaults for fields that are not given: of the preset, or the usual ones */
export function signatureOf(
  given: JsonObject,
  defaults: SignatureScheme,
  fields: SettingFields,
): SignatureScheme {
  fields.refuseOthers(given, signatureNames, "signature.");
  const at = (name: string): [JsonValue | undefined, string] => [given[name], `signature.${name}`];
  const header = fields.header(...at("timestamp_header"));
  const part = fields.text(...at("timestamp_part"), 32);
  if (part === "")
    fields.refuse("signature.timestamp_part", 'must be the name of a part of the header, like t, not ""');
  const timestamp =
    header !== null
      ? ({ kind: "header", name: header } as const)
      : part !== null
        ? ({ kind: "part", name: part } as const)
        : defaults.timestamp;
  const algorithm = fields.word(...at("algorithm"), signatureAlgorithms) ?? defaults.algorithm;
  // The default prefix names the default algorithm.
  const prefixDefault = defaults.prefix === "sha256=" && algorithm !== "token" ? `${algorithm}=` : "";
  const scheme: SignatureScheme = {
    algorithm,
    header: fields.header(...at("header")) ?? defaults.header,
    prefix:
      fields.text(...at("prefix"), 64) ??
      (algorithm === defaults.algorithm ? defaults.prefix : prefixDefault),
    separator: fields.text(...at("separator"), 1) ?? defaults.separator,
    encoding: fields.word(...at("encoding"), signatureEncodings) ?? defaults.encoding,
    signed: fields.text(...at("signed")) ?? defaults.signed,
    timestamp,
    timestampUnit: fields.word(...at("timestamp_unit"), timestampUnits) ?? defaults.timestampUnit,
    toleranceSeconds:
      fields.number(...at("tolerance"), { least: 1, most: 86_400, isWhole: false }) ??
      defaults.toleranceSeconds,
    secretEncoding: fields.word(...at("secret_encoding"), secretEncodings) ?? defaults.secretEncoding,
    secretPrefix: fields.text(...at("secret_prefix"), 64) ?? defaults.secretPrefix,
  };
  const parts = signedParts(scheme.signed);
  if (algorithm !== "token" && !parts.includes("body"))
    fields.refuse("signature.signed", "must contain {body}: else any body has the same signature");
  if (algorithm !== "token" && timestamp !== null && !parts.includes("timestamp"))
    fields.refuse("signature.signed", "must contain {timestamp}: else anyone can change the timestamp");
  if (timestamp === null && parts.includes("timestamp"))
    fields.refuse("signature.timestamp_header", "is required because the signature covers {timestamp}");
  if (timestamp?.kind === "part" && scheme.separator === null)
    fields.refuse("signature.separator", "is required to find the timestamp in the signature's header");
  return scheme;
}
