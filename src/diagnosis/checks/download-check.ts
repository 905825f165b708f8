/** Checks that the executables that the agent is to hand out can be read. */
import type { Config } from "../../config/schema.ts";
import { agentArchitecture, agentArchitectures } from "../../model/agent-architecture.ts";
import { AgentBinaries } from "../../operations/agent-binaries.ts";
import { good, wrong, type Finding } from "../finding.ts";

export async function checkDownloads({
  agent: { binary_dir: directory, binary_token: token },
}: Config): Promise<readonly Finding[]> {
  if (directory === undefined || token === undefined) return [];
  const binaries = new AgentBinaries(directory, agentArchitecture(process.arch));
  const found = await Promise.all(agentArchitectures.map((architecture) => binaries.describe(architecture)));
  const architectures = found.flatMap((binary) => binary?.architecture ?? []);
  return [
    architectures.length > 0
      ? good("downloads", `executables for ${architectures.join(" and ")} are in ${directory}`)
      : wrong("downloads", `no executable of the agent is in ${directory}`, {
          remedy: "put attune-sensor-agent there, see docs/agent-binary.md, or correct agent.binary_dir",
        }),
  ];
}
