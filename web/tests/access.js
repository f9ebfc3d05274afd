// Whether everybody can use the page: names, headings, keyboard, contrast, calm.

import { equal } from "./equal.js";

const CONTROLS = new Set([
  "button", "textbox", "slider", "combobox", "checkbox", "link", "listbox", "spinbutton", "searchbox",
  "DisclosureTriangle", "menuitem", "radio", "tab",
]);
const LANDMARKS = ["banner", "main", "region"];

/** Every control has a name, headings go down by one, and the landmarks are there. */
async function tree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  await session.detach();
  const seen = nodes.filter(({ ignored }) => !ignored);
  const role = (node) => node.role?.value;
  const nameless = seen.filter((node) => CONTROLS.has(role(node)) && !node.name?.value?.trim());
  equal(nameless.map((node) => `${role(node)} ${node.backendDOMNodeId}`), [], "controls without a name:");
  const levels = seen.filter((node) => role(node) === "heading")
    .map(({ properties }) => properties.find(({ name }) => name === "level").value.value);
  equal(levels[0], 1);
  const jumps = levels.filter((level, i) => i > 0 && level > levels[i - 1] + 1);
  equal(jumps, [], `headings ${levels}:`);
  const roles = new Set(seen.map(role));
  equal(LANDMARKS.filter((name) => !roles.has(name)), [], "landmarks:");
  return seen.filter((node) => CONTROLS.has(role(node))).length;
}

/** The keyboard reaches every control, one after another, and comes back to the first. */
async function keyboard(page) {
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
      .filter((control) => !control.disabled && control.checkVisibility());
    all.forEach((control, i) => { control.dataset.order = i; });
    document.activeElement.blur();
    return all.length;
  });
  const reached = new Set();
  for (let i = 0; i < wanted + 2; i++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const { activeElement } = document;
      const { outlineStyle, outlineWidth } = getComputedStyle(activeElement);
      const isSeen = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
      return [activeElement.dataset.order, isSeen || activeElement === document.body];
    });
    equal(at[1], true, `the focus is seen on control ${at[0]}`);
    if (at[0] !== undefined) reached.add(at[0]);
  }
  equal(reached.size, wanted, "controls reached:");
  return wanted;
}

/** Texts and borders of controls whose colours are too much alike, by WCAG 2.2 AA. */
function faint() {
  const parse = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\d.]+/g).map(Number);
    return colour.startsWith("color(srgb") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ratio = (a, b) => {
    const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (light + 0.05) / (dark + 0.05);
  };
  /** The colours behind an element: its own, those of its gradient, or what lies behind. */
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const { backgroundColor, backgroundImage } = getComputedStyle(at);
      const stops = backgroundImage.match(/rgba?\([^)]*\)/g);
      if (stops) return stops.map(parse);
      if (parse(backgroundColor)[3] > 0) return [parse(backgroundColor)];
    }
    return [[255, 255, 255]];
  };
  const wrong = [];
  let looked = 0;
  const check = (element, colour, ground, least, what) => {
    looked += 1;
    const found = Math.min(...ground.map((other) => ratio(colour, other)));
    if (found < least) wrong.push(`${what} of ${element.tagName} “${element.textContent.slice(0, 30)}”: ${found.toFixed(2)}, at least ${least}`);
  };
  for (const element of document.querySelectorAll("body *")) {
    if (!element.checkVisibility() || element.matches(".skip")) continue;
    const style = getComputedStyle(element);
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (hasText) {
      const isLarge = parseFloat(style.fontSize) >= 24;
      check(element, parse(style.color), behind(element), isLarge ? 3 : 4.5, "text");
    }
    if (element.matches("button:not(.segment), input:not([type=range], [type=file], [type=checkbox]), select")) {
      check(element, parse(style.borderTopColor), behind(element.parentElement), 3, "border");
    }
  }
  return { wrong, looked };
}

/** Both themes can be read. */
async function contrast(page) {
  let texts = 0;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    const { wrong, looked } = await page.evaluate(faint);
    equal(wrong, [], `${colorScheme}:`);
    texts += looked;
  }
  await page.emulateMedia({ colorScheme: "light" });
  return texts;
}

/** Nothing moves for those who asked for that. */
async function calm(page) {
  await page.emulateMedia({ reducedMotion: "reduce" });
  const moving = await page.evaluate(() => [...document.querySelectorAll("body *")].filter((element) => {
    const { animationName, transitionDuration } = getComputedStyle(element);
    return animationName !== "none" || transitionDuration.split(", ").some((time) => time !== "0s");
  }).map((element) => element.outerHTML.slice(0, 80)));
  equal(moving, []);
  await page.emulateMedia({ reducedMotion: "no-preference" });
}

/** Nothing is wider than a narrow screen. */
async function narrow(page) {
  const size = page.viewportSize();
  await page.setViewportSize({ width: 390, height: 844 });
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  await page.setViewportSize(size);
  equal(width <= 390, true, `${width} pixels wide`);
}

/** Looks at the page as it stands. */
export async function everybody(page) {
  const named = await tree(page);
  const reached = await keyboard(page);
  const texts = await contrast(page);
  await calm(page);
  await narrow(page);
  return `${named} controls have names, ${reached} are reached by keyboard, ${texts} colours contrast`;
}
