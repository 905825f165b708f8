/** Words in names of fields, headers and parameters whose values are secrets or as good as secrets. */
const secretName =
  /auth|cookie|token|secret|passw|credential|session|signature|hmac|jwt|api[-_]?key|access[-_]?key|^(key|sig|code)$/i;

export function isSecretName(name: string): boolean {
  return secretName.test(name);
}
