/**
 * Encrypts values with AES-256-GCM.
 *
 * A sealed value is: version (1 byte), nonce (12 bytes, random for each value), ciphertext, tag (16 bytes). The owner and the
 * ref of its row are authenticated with it, so a value that is copied to another row, or whose row is given to another
 * owner, does not decrypt.
 *
 * Encryption keys and their names are derived from the configured texts with HKDF (RFC 5869). The name, 16 hexadecimal
 * digits, is stored with the value and says which key decrypts it; nothing about the key follows from it.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import type { JsonValue } from "../model/json/json.ts";
import { parseJson } from "../model/json/json-text.ts";

/** What a value belongs to. */
export interface KeyPlace {
  readonly ref: string;
  readonly ownerType: string;
  readonly ownerRef: string | null;
}

export interface SealedValue {
  readonly sealed: Buffer;
  /** Name of the key that it is encrypted with. */
  readonly encryptionKey: string;
}

interface DerivedKey {
  readonly name: string;
  readonly bytes: Buffer;
}

const version = 1;
const nonceBytes = 12;
const tagBytes = 16;
const algorithm = "aes-256-gcm";

export class KeyCipher {
  readonly #current: DerivedKey;
  readonly #keys: ReadonlyMap<string, DerivedKey>;

  /** @param previous also decrypts */
  constructor(current: string, previous: string | undefined) {
    this.#current = derivedKey(current);
    const keys = [this.#current, ...(previous === undefined ? [] : [derivedKey(previous)])];
    this.#keys = new Map(keys.map((key) => [key.name, key]));
  }

  /** The key that encrypts. */
  get currentName(): string {
    return this.#current.name;
  }

  /** All keys that decrypt. */
  get names(): readonly string[] {
    return [...this.#keys.keys()];
  }

  seal(place: KeyPlace, value: JsonValue): SealedValue {
    const { name, bytes } = this.#current;
    const nonce = randomBytes(nonceBytes);
    const cipher = createCipheriv(algorithm, bytes, nonce);
    cipher.setAAD(authenticatedPlace(place));
    const ciphertext = Buffer.concat([cipher.update(JSON.stringify(value), "utf8"), cipher.final()]);
    const sealed = Buffer.concat([Buffer.of(version), nonce, ciphertext, cipher.getAuthTag()]);
    return { sealed, encryptionKey: name };
  }

  /** Undefined: none of the keys decrypts it, or it was sealed for another place. */
  open(place: KeyPlace, { sealed, encryptionKey }: SealedValue): { readonly value: JsonValue } | undefined {
    const key = this.#keys.get(encryptionKey);
    if (key === undefined || sealed[0] !== version || sealed.length < 1 + nonceBytes + tagBytes)
      return undefined;
    const nonce = sealed.subarray(1, 1 + nonceBytes);
    const decipher = createDecipheriv(algorithm, key.bytes, nonce, { authTagLength: tagBytes });
    decipher.setAAD(authenticatedPlace(place));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    try {
      const ciphertext = sealed.subarray(1 + nonceBytes, -tagBytes);
      const text = Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString("utf8");
      return { value: parseJson(text) };
    } catch {
      return undefined;
    }
  }
}

function derivedKey(text: string): DerivedKey {
  const derive = (purpose: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync("sha256", text, "attune key store", purpose, bytes));
  return { name: derive("name 1", 8).toString("hex"), bytes: derive("aes-256-gcm 1", 32) };
}

function authenticatedPlace({ ref, ownerType, ownerRef }: KeyPlace): Buffer {
  return Buffer.from(JSON.stringify([version, ref, ownerType, ownerRef]));
}
