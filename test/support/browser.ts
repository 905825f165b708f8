/**
 * A real browser for the tests of the page: Debian's Chromium, started once for a file.
 *
 * It collects what a page must never do: errors of scripts, and what its policy has blocked.
 */
import axe from "axe-core";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { requireInstalled } from "../../scripts/services/debian-packages.ts";
import { chromium as program } from "../../scripts/testing/requirements.ts";

export interface TestBrowser extends AsyncDisposable {
  /** In a fresh profile. */
  open(url: string, options?: BrowserContextOptions): Promise<OpenPage>;
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Errors of scripts and violations of the policy so far. */
  readonly complaints: readonly string[];
}

const limitMs = 15_000;

export async function startBrowser(): Promise<TestBrowser> {
  await requireInstalled(program);
  const browser: Browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
  return {
    async open(url, options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 860 }, ...options });
      context.setDefaultTimeout(limitMs);
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        const text = message.text();
        if (message.type() === "error" && !text.startsWith("Failed to load resource")) complaints.push(text);
      });
      await page.goto(url);
      return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

interface AxeResults {
  readonly violations: readonly {
    readonly id: string;
    readonly help: string;
    readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
  }[];
}

/** Barriers of WCAG 2.2 A and AA that axe-core finds, each as a sentence. @param rules only these */
export async function barriers(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  // Past the page's policy, which forbids added scripts. It stays until another document is loaded.
  if ((await page.evaluate("typeof axe")) === "undefined") await page.evaluate(axe.source);
  const run = {
    resultTypes: ["violations"],
    runOnly:
      rules === undefined
        ? { type: "tag", values: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }
        : { type: "rule", values: rules },
  };
  const { violations } = await page.evaluate(
    (options) =>
      (globalThis as unknown as { axe: { run(options: object): Promise<AxeResults> } }).axe.run(options),
    run,
  );
  return violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
  );
}
