/**
 * Restores the image's environment after the executable's stub set some variables aside.
 *
 * Variables like LD_PRELOAD and NODE_OPTIONS are meant for the image's own programs. This process must not
 * obey them; the programs it starts must. So build/packing/stub/environment.c changes their first letter to
 * '@' before anything reads them, and this file changes it back for child processes. The lists below are the
 * single source: the build writes them into the executable. Running from source sets nothing aside.
 */

/**
 * Variables set aside. An entry that ends in "=" is a whole name, any other is a prefix. They configure the
 * components of this process: the dynamic loader, the C library, Node, libuv, OpenSSL and ICU.
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

/** Exceptions, which stay: the operator's trusted certificates apply to every program. */
export const kept = ["NODE_EXTRA_CA_CERTS="] as const;

const mark = "@";

export interface SplitEnvironment {
  /** For this process: without the variables set aside, under either name. */
  readonly own: Readonly<Record<string, string>>;
  /** For its children: the image's original environment. */
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

/** Undefined for an unchanged name. */
function originalName(name: string): string | undefined {
  if (!name.startsWith(mark)) return undefined;
  const rest = name.slice(mark.length);
  const family = setAside.find((entry) => `${rest}=`.startsWith(entry.slice(mark.length)));
  return family === undefined ? undefined : family.charAt(0) + rest;
}
