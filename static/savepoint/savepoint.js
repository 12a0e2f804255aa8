/* Savepoint's pages work without scripts; this makes them nicer. htmx does the requests, this listens to its events.
   Attributes: data-poll, -announce, -close, -dismiss, -copy, -copied, -when-mode, -when-checked. */
(() => {
  "use strict";
  const root = document.documentElement;
  const on = (names, act, early) => names.split(" ").forEach((name) => document.addEventListener(name, act, early));
  const byId = (id) => id ? document.getElementById(id) : null;
  const all = (selector, part = document) => [...part.querySelectorAll(selector)];
  const show = (id, shown = true) => { if (byId(id)) byId(id).hidden = !shown; };
  const dialog = byId("dialog"), dialogBody = byId("dialog-body");
  root.classList.add("js");

  // Announcements: at most one in five seconds, the last one wins.
  let quiet = false, waiting = "";
  function announce(text) {
    if (quiet) waiting = text;
    else if (text) {
      byId("announcer").textContent = text;
      quiet = true;
      setTimeout(() => { quiet = false; announce(waiting); waiting = ""; }, 5000);
    }
  }

  // The server shows times in this zone, unless the account says otherwise.
  const zone = `tz=${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
  if (!document.cookie.split("; ").includes(zone)) {
    document.cookie = `${zone};path=/;max-age=31536000;samesite=lax${location.protocol === "https:" ? ";secure" : ""}`;
  }

  // Tooltips stay inside the window; Escape puts them away until something else is pointed at.
  on("pointerover focusin", ({ target }) => {
    root.classList.remove("no-tips");
    const tip = target.closest?.(".moment")?.querySelector(".tip");
    if (!tip) return;
    tip.style.left = tip.style.right = "";
    const { left, right } = tip.getBoundingClientRect();
    const shift = Math.max(8 - left, 0) - Math.max(right + 8 - root.clientWidth, 0);
    if (!shift) return; // moved by its place and not by a transform, which leaves the page as wide as before
    tip.style.left = `${left + shift - tip.parentElement.getBoundingClientRect().left}px`;
    tip.style.right = "auto";
  });
  on("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    root.classList.add("no-tips");
    const menu = target.closest(".menu[open]");
    if (menu) { menu.open = false; menu.querySelector("summary").focus(); }
  });

  // Clicks: menus close, what is disabled does nothing (it says why beside it), values are copied.
  on("click", (event) => {
    const at = (selector) => event.target.closest(selector);
    all(".menu[open]").forEach((menu) => { if (!menu.contains(event.target) || at(".menu > div")) menu.open = false; });
    if (at("[aria-disabled=true]")) { event.preventDefault(); event.stopPropagation(); }
    else if (at("dialog [data-close]")) { event.preventDefault(); dialog.close(); }
    else if (at("[data-dismiss]")) { at(".notice").remove(); focusOn(heading(byId("main"))); }
    else if (at("[data-copy]")) copy(at("[data-copy]"));
  }, true);
  async function copy(button) {
    const source = document.querySelector(button.dataset.copy), said = button.dataset.copied;
    try { await navigator.clipboard.writeText(source.textContent.trim()); }
    catch { getSelection().selectAllChildren(source); if (!document.execCommand("copy")) return; } // plain http
    const label = button.querySelector("span") || button, before = label.textContent;
    if (before === said) return;
    label.textContent = said;
    announce(said);
    setTimeout(() => { label.textContent = before; }, 2500);
  }

  // A form is sent once until it is answered; after ten seconds again, for a download leaves the page as it is.
  const sending = new Map();
  const release = (form) => { sending.get(form)?.removeAttribute("aria-disabled"); sending.delete(form); };
  on("submit", (event) => {
    const form = event.target;
    if (sending.has(form)) { event.preventDefault(); event.stopPropagation(); return; }
    sending.set(form, event.submitter);
    setTimeout(() => event.submitter?.setAttribute("aria-disabled", "true"));
    setTimeout(release, 10000, form);
  }, true);
  addEventListener("pageshow", () => [...sending.keys()].forEach(release));

  // Parts of the restore form that only one mode needs, or that only while a box is ticked.
  const showModes = () => all("[data-when-mode]").forEach((part) => {
    const form = part.closest("form"), box = part.dataset.whenChecked;
    part.hidden = form.querySelector("[name=mode]:checked")?.value !== part.dataset.whenMode
      || Boolean(box && !form.elements[box].checked);
    all("input, select", part).forEach((input) => { input.disabled = part.hidden; });
  });
  on("change", showModes);

  const FOCUSABLE = "a[href], button, summary, input, select, textarea, [tabindex]";
  const heading = (part) => part.querySelector("h1, h2, h3");
  const wrong = (part) => part.querySelector(":is(.notice.bad, [aria-invalid=true]):not([hidden])");
  function focusOn(element) {
    if (element && !element.matches(FOCUSABLE)) element.tabIndex = -1;
    element?.focus();
  }

  // The dialog opens when something was loaded into it, and gives focus back to what opened it.
  let opener = null;
  function openDialog(asked) {
    if (!dialogBody.firstElementChild) return;
    if (!dialog.open) { opener = asked; dialog.showModal(); }
    focusOn(wrong(dialogBody) || dialogBody.querySelector("[autofocus]")
      || dialogBody.querySelector("input:not([type=hidden]), select, textarea") || byId("dialog-title"));
  }
  dialog?.addEventListener("close", () => {
    dialogBody.replaceChildren();
    const back = opener?.isConnected ? opener : byId(opener?.id);
    focusOn(back?.checkVisibility() ? back : back?.closest(".menu")?.querySelector("summary") || heading(byId("main")));
    refresh(); // what the dialog was refused for may be on the page still
  });
  on("dialog-close", () => dialog.close());

  // Polled regions wait while the page is hidden, while somebody types or has a menu open in them, after a sign-out.
  let signedOut = false, said = "", lost = null, chosen = [];
  const refresh = () => all("[data-poll]").forEach((part) => htmx.trigger(part, "refresh"));
  const polls = (element) => element.matches("[data-poll]");
  const inUse = (part) => part.querySelector(".menu[open], :is(input:not([type=checkbox]), select, textarea):focus");
  const signOut = () => { signedOut = true; show("signed-out"); };
  on("visibilitychange", () => { if (!document.hidden) refresh(); });
  on("htmx:configRequest", ({ target, detail }) => { if (polls(target)) detail.timeout = 15000; });
  on("htmx:beforeRequest", (event) => {
    if (polls(event.target) && (document.hidden || signedOut || inUse(event.target))) event.preventDefault();
  });
  on("htmx:beforeSwap", ({ detail }) => {
    const { xhr, target } = detail, poll = polls(detail.requestConfig.elt), held = document.activeElement;
    if (poll && [403, 404].includes(xhr.status)) location.reload();
    if (poll && (xhr.status >= 400 || inUse(target))) detail.shouldSwap = false;
    if (detail.shouldSwap && /^\s*<!doctype/i.test(detail.serverResponse)) { // a whole page: an error, or the sign-in
      detail.shouldSwap = xhr.status >= 400;
      detail.selectOverride = "#main > :not(.alerts, #messages)";
      if (!detail.shouldSwap) { if (poll) signOut(); else location.assign(xhr.responseURL); }
    }
    const row = target.contains(held) && held.parentElement.closest("[id]");
    // What has an id is found again by it; where it is gone its neighbour does something else, so the row's name is next.
    const name = () => all(FOCUSABLE, row).findIndex(({ type }) => type !== "checkbox");
    const index = () => row === target ? -1 : held.id ? name() : all(FOCUSABLE, row).indexOf(held);
    chosen = all("input[type=checkbox]:checked", target).map(({ id }) => id);
    lost = row && { row: row.id, name: held.id ? null : held.className, index: index() };
  });
  on("htmx:afterSwap", ({ target, detail }) => {
    showModes();
    if (polls(target)) chosen.map(byId).forEach((box) => { if (box) box.checked = true; }); // chosen rows stay chosen
    if (target === dialogBody) openDialog(detail.requestConfig.elt);
    else if (lost && document.activeElement === document.body) { // htmx found no twin by id
      const twin = byId(lost.row) && all(FOCUSABLE, byId(lost.row))[lost.index];
      focusOn(twin && [null, twin.className].includes(lost.name) ? twin : heading(target));
    }
    const news = polls(target) && target.dataset.announce;
    if (!news || news === said) return;
    said = news;
    if (!detail.xhr.responseText.includes('id="messages"')) announce(news); // those are announced by themselves
  });

  // Failures are said; the next answer takes the words back.
  on("htmx:sendError htmx:timeout", () => show("connection-lost"));
  on("htmx:afterRequest", ({ detail: { xhr, requestConfig } }) => {
    release(requestConfig.elt);
    if (!xhr.status) return;
    show("connection-lost", false);
    show("server-error", xhr.status >= 500);
    if (xhr.status === 401) signOut();
  });

  // Of a row of tabs that is wider than the window, the current one is in sight.
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });

  // A page that just came: its messages are announced, what is wrong on it has the focus.
  showModes();
  said = document.querySelector("[data-announce]")?.dataset.announce;
  setTimeout(() => announce(byId("messages")?.textContent.replace(/\s+/g, " ").trim()), 300);
  if (byId("main")?.querySelector("[aria-invalid=true]")) focusOn(wrong(byId("main")));
})();
