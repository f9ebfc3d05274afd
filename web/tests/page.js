// The page, as a person uses it.

import { join } from "node:path";
import { everybody } from "./access.js";
import { equal } from "./equal.js";

const TABLES = "#picture .segment:not(.memtable)";

/** Goes to the page, and waits until it can be used. */
export async function openPage(page, address) {
  await page.goto(`${address}/dist/index.html`);
  await page.waitForFunction(() => document.documentElement.dataset.ready === "true");
}

async function say(page, line) {
  await page.getByLabel("Console").fill(line);
  await page.getByRole("button", { name: "Run" }).click();
  await page.waitForFunction((line) => {
    const items = [...document.querySelectorAll("#log li")].map((item) => item.textContent);
    return items.lastIndexOf(`> ${line}`) >= 0 && items.lastIndexOf(`> ${line}`) < items.length - 1;
  }, line);
  return page.locator("#log li").last().textContent();
}

/** Keeps a picture of the page, where they are wanted: of all of it, or from one part on. */
export async function shoot(page, name, part) {
  const folder = process.env.ESKER_WEB_SHOTS;
  if (!folder) return;
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.finished)));
  if (part) await page.locator(part).evaluate((found) => found.scrollIntoView());
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: part === undefined });
}

async function shootNarrow(page) {
  const size = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  await shoot(page, "narrow");
  await page.setViewportSize(size);
}

/** Uses everything on the page. */
export async function usePage(page, address) {
  await openPage(page, address);
  await say(page, "put apple red");
  await say(page, "flush");
  await say(page, "delete apple");
  equal(await say(page, "get apple"), "apple is not there");
  await page.locator("#way li.stopped").waitFor();
  await say(page, "flush");
  await say(page, 'put "a key" "a value"');
  equal(await say(page, 'get "a key"'), "a key = a value");
  await page.locator("#way li.found").waitFor();
  for (const [line, words] of [["fly", "no command"], ["put x", "a value is needed"], ["get", "a key is needed"], ["put a b c", "too many words"]]) {
    const said = await say(page, line);
    equal(said.includes(words), true, said);
  }
  equal(await page.locator(TABLES).count(), 2);

  await page.locator("#when").focus();
  await page.keyboard.press("Home");
  equal(await page.locator(TABLES).count(), 0, "in the past there is no table");
  await page.keyboard.press("End");
  equal(await page.locator(TABLES).count(), 2);

  await page.getByRole("button", { name: "9,000 sample records" }).click();
  await page.waitForFunction(() => document.querySelector("#log").lastChild.textContent.includes("languages.csv are in"));
  await page.getByLabel("Key", { exact: true }).fill("language/eu");
  await page.getByRole("button", { name: "Get", exact: true }).click();
  await page.locator("#way li.found").waitFor();
  await shoot(page, "way");

  await page.getByLabel("Writes a second").fill("6000");
  await page.getByRole("button", { name: "Write without end" }).click();
  await page.waitForFunction(() => {
    const shown = [...document.querySelectorAll("#numbers div")].find((div) => div.textContent.startsWith("compactions"));
    const compactions = Number.parseInt(shown?.querySelector("dd").textContent ?? "0", 10);
    return compactions >= 8 && document.querySelectorAll(".stack .segment").length >= 2;
  });
  await page.getByRole("button", { name: "Write without end" }).click();
  await shoot(page, "levels");

  await shootNarrow(page);

  await page.locator(TABLES).last().click();
  await page.getByText("Table file: footer").waitFor();
  await page.getByRole("button", { name: "data", exact: true }).first().click();
  await page.getByText("column: heads").waitFor();
  const own = await everybody(page);
  await page.emulateMedia({ colorScheme: "dark" });
  await shoot(page, "bytes", "#bytes");
  await page.emulateMedia({ colorScheme: "light" });

  await page.getByLabel("Your CSV").setInputFiles({ name: "mine.csv", mimeType: "text/csv", buffer: Buffer.from('k1,v1\n"k,2",v2\n,none\n') });
  await page.waitForFunction(() => document.querySelector("#log").lastChild.textContent.includes("left out 1 lines"));
  equal(await say(page, "get k,2"), "k,2 = v2");
  for (const [name, content, words] of [["empty.csv", "", "no records"], ["picture.csv", "a\0b", "is not text"], ["odd.csv", Buffer.from([0x61, 0xff, 0x62]), "is not text"]]) {
    await page.getByLabel("Your CSV").setInputFiles({ name, mimeType: "text/csv", buffer: Buffer.from(content) });
    await page.locator("#message", { hasText: name }).filter({ hasText: words }).waitFor();
  }

  await page.getByLabel("The store is").selectOption("browser");
  await page.waitForFunction(() => document.querySelector("#log").lastChild.textContent.includes("store of this browser is open"));
  await say(page, "put kept yes");
  await page.reload();
  await page.waitForFunction(() => document.documentElement.dataset.ready === "true");
  await page.getByLabel("The store is").selectOption("browser");
  await page.waitForFunction(() => document.querySelector("#log").lastChild.textContent.includes("store of this browser is open"));
  equal(await say(page, "get kept"), "kept = yes");
  return own;
}

/** The page once more, with no network. */
export async function withoutNetwork(page, address) {
  await page.context().setOffline(true);
  await openPage(page, address);
  equal(await say(page, "get nothing"), "nothing is not there");
  await page.context().setOffline(false);
}
