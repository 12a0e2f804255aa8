"""The WCAG contrast of a page, from the colours that Chromium computes, in each state of each control."""

from __future__ import annotations

from playwright.sync_api import Page

# States become classes: the style sheet is read again with `.is-hover` for `:hover`, of the same specificity.
MEASURE = r"""async () => {
  const link = document.querySelector("link[rel=stylesheet]");
  const css = await (await fetch(link.href)).text();
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css.replaceAll(":focus-visible", ".is-seen").replace(/:(hover|active|focus)\b/g, ".is-$1"));
  document.adoptedStyleSheets = [sheet];
  link.disabled = true;
  document.querySelectorAll("details").forEach(details => { details.open = true; });

  const context = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const known = new Map();
  const rgba = color => {
    if (!known.has(color)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = color;
      context.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = context.getImageData(0, 0, 1, 1).data;
      known.set(color, [red, green, blue, alpha / 255]);
    }
    return known.get(color);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = ([r, g, b]) => [r, g, b].map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const ratio = (one, two) => {
    const [dark, bright] = [light(one), light(two)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const ground = element => {
    if (!element) return rgba("Canvas");
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] === 1 ? own : over(own, ground(element.parentElement));
  };
  const CONTROLS = "a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex='0']";
  const FIELDS = "input:not([type=hidden], [type=checkbox], [type=radio]), select, textarea";
  const shown = element => element.checkVisibility({visibilityProperty: true})
    && !element.closest(".visually-hidden") && element.getBoundingClientRect().width > 1;
  const worded = element => element.matches(FIELDS)
    || [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim());

  // Nothing of a closed select or within a picture is measured, and some pages have hundreds of them.
  const everything = () => document.body.querySelectorAll(":not(option, optgroup, svg *)");

  const found = new Set(), counted = {texts: 0, controls: 0};
  const check = (state, element, what, front, back, least) => {
    const reached = ratio(over(front, back), back);
    if (reached >= least) return;
    const name = `${element.localName}.${element.getAttribute("class") || ""}`.replace(/ ?is-\w+/g, "");
    found.add(`${state}: ${what} of ${name} “${element.textContent.trim().slice(0, 30)}” ${reached.toFixed(2)}`);
  };
  const look = state => {
    for (const element of everything()) {
      if (!shown(element)) continue;
      const style = getComputedStyle(element), back = ground(element), control = element.matches(CONTROLS);
      if (worded(element)) {
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
        counted.texts += 1;
        check(state, element, "text", rgba(style.color), back, large ? 3 : 4.5);
        if (element.placeholder) {
          check(state, element, "placeholder", rgba(getComputedStyle(element, "::placeholder").color), back, 4.5);
        }
        if (style.backgroundImage !== "none" || style.opacity !== "1") {
          found.add(`${state}: not measured: ${element.outerHTML.slice(0, 90)}`);
        }
      }
      if (element.matches("svg.icon") && element.closest(CONTROLS)) {
        check(state, element, "icon", rgba(style.stroke), back, 3);
      }
      if (!control) continue;
      counted.controls += 1;
      const around = ground(element.parentElement);
      if (state.includes("seen")) {
        const ring = style.outlineStyle === "none" ? around : rgba(style.outlineColor);
        check(state, element, "ring", ring, around, 3);
      }
      if (element.matches(FIELDS) && !element.disabled) {
        check(state, element, "border", rgba(style.borderTopColor), around, 3);
      }
    }
  };
  const states = [[], ["hover"], ["focus", "seen"], ["hover", "focus", "seen"], ["hover", "active"]];
  const through = name => {
    for (const state of states) {
      const classes = state.map(part => `is-${part}`);
      everything().forEach(element => element.classList.add(...classes));
      look(`${name} ${state.join("+")}`.trim());
      everything().forEach(element => element.classList.remove(...classes));
    }
  };
  through("rest");
  document.querySelectorAll("input[type=radio]").forEach((radio, index) => { radio.name = `radio-${index}`; });
  document.querySelectorAll("input[type=radio], input[type=checkbox]").forEach(box => { box.checked = true; });
  const set = (which, name) => document.querySelectorAll(which).forEach(one => one.setAttribute(name, "true"));
  set(".tabs a, .filters a, .topnav a", "aria-current");
  set("input, select, textarea", "aria-invalid");
  through("selected");
  document.querySelectorAll("button, input, select, textarea").forEach(field => { field.disabled = true; });
  set("a.button, summary.button", "aria-disabled");
  through("disabled");
  return [counted, [...found]];
}"""


def contrasts_missed(page: Page) -> list[str]:
    """Texts below 4.5 (large ones 3), and icons, focus rings and borders of fields below 3, in any state.

    The page is unusable afterwards: every control is disabled.
    """
    counted, found = page.evaluate(MEASURE)
    assert counted["texts"] > 20, f"hardly a text was found: {counted}"
    return list(found)
