// Refreshes the page, and applies filters while the user types. The pages work without it.
"use strict";
(() => {
  const seconds = Number(document.body.dataset.refresh);
  const filter = document.getElementById("filter");
  const toggle = document.getElementById("refresh");
  const stale = document.getElementById("stale");
  const status = document.getElementById("status");
  if (!seconds) return;

  // The response to "Probe now" may be the endpoint's page, at the URL of the form.
  const canonical = document.querySelector("link[rel=canonical]");
  let address = new URL(location.href);
  if (canonical && address.pathname.endsWith("/-/probe")) {
    address = new URL(canonical.href);
    history.replaceState(null, "", address);
  }
  let requests = 0; // numbers the requests, so that only the response to the latest is used
  let lastResponse = new Date();
  let on = true;

  // Show a notice once, not again when the URL is reloaded or bookmarked.
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  // load fetches the page and replaces the parts marked data-live. The form, the
  // scroll position and the focus stay as they are.
  async function load() {
    const number = ++requests;
    let fresh;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!response.ok) throw new Error(response.statusText);
      fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      if (number === requests) stale.textContent = "The page could not be updated. Last update: " + lastResponse.toLocaleTimeString() + ".";
      return;
    }
    if (number !== requests) return;
    stale.textContent = "";
    lastResponse = new Date();
    const before = text("summary");
    document.title = fresh.title;
    for (const part of document.querySelectorAll("[data-live]")) replace(part, fresh.getElementById(part.id));
    if (text("summary") !== before) status.textContent = text("summary");
  }

  function text(id) {
    const found = document.getElementById(id);
    return found ? found.textContent.trim() : "";
  }

  // replace replaces a part's content and keeps the focus on the same element.
  function replace(part, fresh) {
    if (!fresh || part.innerHTML === fresh.innerHTML) return;
    const focused = part.contains(document.activeElement) ? keyOf(document.activeElement) : null;
    part.className = fresh.className;
    for (const details of part.querySelectorAll("details")) {
      const same = fresh.querySelector("#" + details.id);
      if (same) same.open = details.open;
    }
    part.replaceChildren(...fresh.childNodes);
    if (focused === null) return;
    for (const element of part.querySelectorAll("a, button, [tabindex]")) {
      if (keyOf(element) === focused) return element.focus({ preventScroll: true });
    }
  }

  // keyOf identifies a focusable element across two versions of a page.
  function keyOf(element) {
    return [element.tagName, element.id, element.getAttribute("href"), element.getAttribute("aria-label"), element.textContent].join("\n");
  }

  function hasSelection() {
    const selection = getSelection();
    return selection && !selection.isCollapsed;
  }

  setInterval(() => {
    if (on && !document.hidden && !hasSelection()) load();
  }, seconds * 1000);
  document.addEventListener("visibilitychange", () => {
    if (on && !document.hidden) load();
  });

  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    on = !on;
    toggle.setAttribute("aria-pressed", String(on));
    toggle.querySelector(".switch").textContent = on ? "on" : "off";
    if (on) load();
  });

  if (!filter) return;
  let debounce;
  filter.addEventListener("input", () => {
    clearTimeout(debounce);
    debounce = setTimeout(() => {
      const query = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value !== ""));
      address = new URL("?" + query, address);
      history.replaceState(null, "", address);
      load();
    }, 150);
  });
  filter.querySelector("button").hidden = true;
})();
