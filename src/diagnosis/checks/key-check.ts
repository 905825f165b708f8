import type { Config } from "../../config/schema.ts";
import { rowOf } from "../../database/statement.ts";
import { countUnreadableKeys } from "../../database/statements/keys.ts";
import { KeyCipher } from "../../keys/key-cipher.ts";
import { readOwnEncryptionKey } from "../../keys/own-encryption-key.ts";
import { counted } from "../../model/texts/counted.ts";
import { wrong, type Finding } from "../finding.ts";
import type { Look } from "../look.ts";

/** Reports values in the key store that the configured encryption keys do not decrypt. Nothing to say while all is well. */
export async function checkKeys(
  { security, data_dir: dataDirectory }: Config,
  { kind, rows }: Look,
): Promise<readonly Finding[]> {
  const own = kind === "embedded" ? await readOwnEncryptionKey(dataDirectory) : undefined;
  const current = security.encryption_key ?? own;
  const names = current === undefined ? [] : new KeyCipher(current, security.encryption_key_previous).names;
  const count = (await rowOf(rows, countUnreadableKeys, names)) ?? 0;
  if (count === 0) return [];
  const values = counted(count, "value");
  return [
    wrong("keys", `${values} in the key store cannot be decrypted with the configured encryption key`, {
      remedy:
        current === undefined
          ? "set security.encryption_key to the key that the other agents have"
          : "set security.encryption_key_previous to the key that was used before, or write the values anew",
      facts: { count },
    }),
  ];
}
