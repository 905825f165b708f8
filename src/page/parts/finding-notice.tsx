/** What the agent found out about one subject, and what to do about it. */
import type { ComponentChildren } from "preact";
import type { Finding } from "../types.ts";
import type { Mood } from "./basics.tsx";

export const findingMoods: Readonly<Record<Finding["state"], Mood>> = {
  good: "good",
  notice: "warn",
  wrong: "bad",
};

export function FindingNotice({
  finding: { state, remedy, lines },
  title,
  children,
}: {
  finding: Pick<Finding, "state" | "remedy" | "lines">;
  title: ComponentChildren;
  children?: ComponentChildren;
}) {
  return (
    <div class={`notice ${findingMoods[state]}`}>
      <p>{title}</p>
      {remedy !== null && <p class="muted">What to do: {remedy}</p>}
      {lines.length > 0 && (
        <pre class="text" tabIndex={0}>
          {lines.join("\n")}
        </pre>
      )}
      {children}
    </div>
  );
}
