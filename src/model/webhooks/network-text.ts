/** Whether a text is an IP address, or a network in CIDR notation. */
export function isNetworkText(text: string): boolean {
  const [address = "", length, ...rest] = text.split("/");
  const bits = bitsOf(address);
  if (bits === undefined || rest.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= bits);
}

function bitsOf(address: string): 32 | 128 | undefined {
  if (isIpv4(address)) return 32;
  return isIpv6(address) ? 128 : undefined;
}

function isIpv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255);
}

/** RFC 4291 section 2.2 */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const all = groups.flat();
  const last = all.at(-1);
  const isEmbedding = last !== undefined && last.includes(".");
  if (isEmbedding && (!isIpv4(last) || text.endsWith("::"))) return false;
  const hex = isEmbedding ? all.slice(0, -1) : all;
  if (!hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  const count = hex.length + (isEmbedding ? 2 : 0);
  return halves.length === 2 ? count <= 7 : count === 8;
}
