/** The executables that this agent hands out, if it is configured to. */
import type { AgentDownloads } from "../api/routes/agent-binary.ts";
import { agentArchitecture } from "../model/agent-architecture.ts";
import { AgentBinaries } from "../operations/agent-binaries.ts";
import type { SensorServiceOptions } from "./service-context.ts";

export function agentDownloads({
  config: { agent },
  agentVersion,
}: Pick<SensorServiceOptions, "config" | "agentVersion">): AgentDownloads {
  const architecture = agentArchitecture(process.arch);
  const { binary_dir: directory, binary_token: token } = agent;
  const about = { version: agentVersion, architecture: architecture ?? null };
  if (directory === undefined || token === undefined) return { ...about, binaries: undefined };
  const binaries = new AgentBinaries(directory, architecture);
  return {
    ...about,
    binaries: {
      token,
      describe: (wanted) => binaries.describe(wanted),
      open: (wanted) => binaries.open(wanted),
    },
  };
}
