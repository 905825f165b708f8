/**
 * The image's environment, before and after the executable's first code set some of it aside.
 *
 * Variables like LD_PRELOAD and NODE_OPTIONS are meant for the image's own programs; this process must not
 * obey them, the programs that it starts must. So build/packing/stub/environment.c changes their first letter to
 * '@' before anything reads them, and this is how they come back. The lists below are the only ones: the
 * build writes them into the executable. Run from source, nothing is set aside and nothing comes back.
 */

/**
 * What is set aside. An entry that ends in "=" is a whole name, any other is a prefix. All are settings
 * of what this process consists of: the dynamic loader and the C library, Node, libuv, OpenSSL, ICU.
 */
export const setAside = [
  "LD_",
  "GLIBC_TUNABLES=",
  "GCONV_PATH=",
  "LOCPATH=",
  "MALLOC_",
  "NODE_",
  "UV_",
  "OPENSSL_",
  "ICU_DATA=",
] as const;

/** What is not, though it looks like it: whom to trust is the operator's word to every program. */
export const kept = ["NODE_EXTRA_CA_CERTS="] as const;

const mark = "@";

export interface SplitEnvironment {
  /** What this process goes by: nothing that was set aside, under any name. */
  readonly own: Readonly<Record<string, string>>;
  /** What its children get: the image's environment as it was. */
  readonly restored: Readonly<Record<string, string>>;
}

export function splitEnvironment(environment: NodeJS.ProcessEnv): SplitEnvironment {
  const own: Record<string, string> = {};
  const restored: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) continue;
    const original = originalName(name);
    restored[original ?? name] = value;
    if (original === undefined) own[name] = value;
  }
  return { own, restored };
}

/** Undefined for a name that nobody changed. */
function originalName(name: string): string | undefined {
  if (!name.startsWith(mark)) return undefined;
  const rest = name.slice(mark.length);
  const family = setAside.find((entry) => `${rest}=`.startsWith(entry.slice(mark.length)));
  return family === undefined ? undefined : family.charAt(0) + rest;
}
