/** The colours: light, dark, or the system's choice. */
import { signal } from "@preact/signals";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const key = "attune.theme";

export const theme = signal<Theme>(storedTheme());
apply(theme.value);

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  apply(chosen);
  try {
    localStorage.setItem(key, chosen);
  } catch {
    // Without storage the choice lasts as long as the page.
  }
}

function apply(chosen: Theme): void {
  if (chosen === "system") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = chosen;
}

function storedTheme(): Theme {
  try {
    const stored = localStorage.getItem(key);
    return themes.find((each) => each === stored) ?? "system";
  } catch {
    return "system";
  }
}
