// Keeps the page fresh and filters while you type. Everything works without it.
"use strict";
(() => {
  const seconds = Number(document.body.dataset.refresh);
  const filter = document.getElementById("filter");
  const toggle = document.getElementById("refresh");
  const stale = document.getElementById("stale");
  const status = document.getElementById("status");
  if (!seconds) return;

  let address = new URL(location.href);
  let asked = 0; // counts requests, so that an answer that was overtaken is dropped
  let lastAnswer = new Date();
  let on = true;

  // What was just done is said once, not again whenever the page is opened.
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  // load asks the server for the page and takes over the parts that change. The
  // form and what is being read or selected stay as they are.
  async function load() {
    const number = ++asked;
    let fresh;
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store" });
      if (!response.ok) throw new Error(response.statusText);
      fresh = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      if (number === asked) stale.textContent = "No connection to the exporter. This is of " + lastAnswer.toLocaleTimeString() + ".";
      return;
    }
    if (number !== asked) return;
    stale.textContent = "";
    lastAnswer = new Date();
    const before = text("summary");
    document.title = fresh.title;
    for (const part of document.querySelectorAll("[data-live]")) replace(part, fresh.getElementById(part.id));
    if (text("summary") !== before) status.textContent = text("summary");
  }

  function text(id) {
    const found = document.getElementById(id);
    return found ? found.textContent.trim() : "";
  }

  function replace(part, by) {
    if (!by || part.innerHTML === by.innerHTML) return;
    const focused = part.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    part.className = by.className;
    part.replaceChildren(...by.childNodes);
    if (focused === null) return;
    for (const element of part.querySelectorAll("a, button, [tabindex]")) {
      if (nameOf(element) === focused) return element.focus({ preventScroll: true });
    }
  }

  // nameOf tells elements that can have the focus apart, across two versions of a page.
  function nameOf(element) {
    return [element.tagName, element.id, element.getAttribute("href"), element.getAttribute("aria-label"), element.textContent].join("\n");
  }

  function reading() {
    const selection = getSelection();
    return selection && !selection.isCollapsed;
  }

  setInterval(() => {
    if (on && !document.hidden && !reading()) load();
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
  let typing;
  filter.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const query = new URLSearchParams([...new FormData(filter)].filter(([, value]) => value !== ""));
      address = new URL("?" + query, address);
      history.replaceState(null, "", address);
      load();
    }, 150);
  });
  filter.querySelector("button").hidden = true;
})();
