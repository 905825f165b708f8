/** The architectures that the agent is built for, as `uname -m` names them. */
export const agentArchitectures = ["x86_64", "aarch64"] as const;

export type AgentArchitecture = (typeof agentArchitectures)[number];

const otherNames: Readonly<Record<string, AgentArchitecture>> = {
  amd64: "x86_64",
  x64: "x86_64",
  arm64: "aarch64",
};

/** Undefined: the agent is not built for it. Knows the names that Node, Docker and Go use, too. */
export function agentArchitecture(name: string): AgentArchitecture | undefined {
  return (
    agentArchitectures.find((architecture) => architecture === name) ??
    (Object.hasOwn(otherNames, name) ? otherNames[name] : undefined)
  );
}
