/* What htmx cannot do: keep the page calm while parts of it change, and say aloud what changed. Everything here adds to
   pages that work without it. */
(() => {
  "use strict";

  const MAX_LOG_LINES = 2000;
  const $ = (selector, root = document) => root.querySelector(selector);

  // Words. The steps are those of cadence/web/present.py.

  const sizeWords = (bytes) => {
    if (bytes < 1024) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
    const units = ["KB", "MB", "GB", "TB"];
    let size = bytes / 1024;
    while (Math.round(size * 10) / 10 >= 1024 && units.length > 1) {
      size /= 1024;
      units.shift();
    }
    return `${size.toFixed(1).replace(/\.0$/, "")} ${units[0]}`;
  };

  const timeWords = (moment) => {
    const at = new Date(moment);
    const seconds = Math.max(0, Math.floor((Date.now() - at) / 1000));
    if (seconds < 45) return "just now";
    for (const [unit, length, limit] of [["minute", 60, 60], ["hour", 3600, 24], ["day", 86400, 31]]) {
      const count = Math.max(1, Math.round(seconds / length));
      if (count < limit) return `${count} ${unit}${count === 1 ? "" : "s"} ago`;
    }
    return at.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
  };

  const refreshTimes = () => {
    for (const time of document.querySelectorAll("time[data-relative]")) {
      const words = timeWords(time.dateTime);
      if (time.textContent !== words) time.textContent = words;
    }
  };
  setInterval(refreshTimes, 20_000);

  const announce = (words) => {
    const line = document.createElement("p");
    line.textContent = words;
    $("#announcer").append(line);
    setTimeout(() => line.remove(), 10_000);
  };

  const announceIn = (root) => {
    if (root.dataset?.announce) announce(root.dataset.announce);
  };

  // The connection. Any answer, even an error, proves that the server is there.

  const connection = $("#connection");
  const online = () => { if (!connection.hidden) connection.hidden = true; };
  const offline = () => {
    if (!connection.hidden) return;
    connection.textContent = "The server does not answer. This page keeps trying.";
    connection.hidden = false;
  };
  document.addEventListener("htmx:sendError", offline);
  document.addEventListener("htmx:beforeOnLoad", online);

  // A failure that did not come from one of our pages (a proxy's, say) has no place on the page but this one.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { xhr } = event.detail;
    if (xhr.status < 400 || xhr.getResponseHeader("HX-Retarget")) return;
    event.detail.shouldSwap = false;
    connection.textContent = `The server answered with error ${xhr.status}. Reload the page and try again.`;
    connection.hidden = false;
  });

  // Pieces of a part that are as they were stay the very elements they are: nothing flickers, and what is marked in them
  // stays marked. The server says of each what it shows, by its tag.

  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, shouldSwap, serverResponse } = event.detail;
    if (!shouldSwap || !serverResponse.includes("data-tag=")) return;
    const answer = new DOMParser().parseFromString(serverResponse, "text/html");
    let kept = 0;
    for (const piece of answer.querySelectorAll("[data-tag][id]")) {
      const present = document.getElementById(piece.id);
      if (present?.dataset.tag !== piece.dataset.tag || !target.contains(present)) continue;
      piece.setAttribute("hx-preserve", "");
      // It only stands for the place. A log in it that is to be preserved too would be taken out of its row, and lost.
      piece.replaceChildren();
      kept += 1;
    }
    if (kept) event.detail.serverResponse = answer.body.innerHTML;
  });

  // A page that nobody looks at asks for nothing; once it is looked at again, it asks at once.

  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    const polls = !requestConfig.triggeringEvent && elt.getAttribute("hx-trigger")?.includes("every ");
    if (document.hidden && polls) event.preventDefault();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) htmx.trigger(document.body, "plugins-changed");
  });

  // Parts that are replaced keep what was open and where the focus was; the answer to a form takes the focus.

  let opened = [];
  let fallback = null;
  let focused = null;
  let scrolled = [];
  let spoken;
  let kept = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target } = event.detail;
    focused = target.contains(document.activeElement) ? document.activeElement : null;
    scrolled = logsOf(target).map((log) => [log, isFollowed(log) ? Infinity : log.scrollTop]);
    opened = [...target.querySelectorAll("details[open][id]")].map((details) => details.id);
    fallback = focused && target.dataset.refocus;
    spoken = target.dataset.spoken;
    kept = [...target.querySelectorAll("[data-keep-scroll][id]")].map((one) => [one.id, one.scrollTop, one.scrollLeft]);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    opened = [];
    for (const [log, top] of scrolled) {
      // One that is followed for days holds no more than a reader would scroll back through.
      while (top === Infinity && log.childElementCount > MAX_LOG_LINES) log.firstElementChild.remove();
      log.scrollTop = Math.min(top, log.scrollHeight);
    }
    scrolled = [];
    for (const [id, top, left] of kept) document.getElementById(id)?.scrollTo({ top, left, behavior: "instant" });
    kept = [];
    announceIn(event.target);
    announceChange(event.target);
    refreshTimes();
    if (event.detail.target.id === "dialog") openDialog();
    $("[data-focus]", event.target)?.focus();
    if (fallback && document.activeElement === document.body) $(fallback)?.focus({ preventScroll: true });
    fallback = null;
    if (focused && document.activeElement === document.body) refocus(event.target);
    focused = null;
  });

  /* A part that follows by itself says aloud when what it is about stands differently. */
  const announceChange = (root) => {
    const words = root.dataset?.spoken;
    if (words && spoken !== undefined && words !== spoken && !$("[data-focus]", root)) announce(words);
    spoken = undefined;
  };

  /* What held the focus and is still there keeps it; else its row takes it: the button of an install that ended. */
  const refocus = (swapped) => {
    const row = swapped.closest?.(".install");
    if (focused.isConnected) focused.focus({ preventScroll: true });
    else if (row) $("summary, button, a", row)?.focus({ preventScroll: true });
  };

  // Where the sections of a plugin do not fit beside one another, the one that is shown can be seen.
  const tabs = $(".tabs");
  const tab = tabs && $("[aria-current]", tabs);
  if (tab) tabs.scrollLeft = tab.offsetLeft - (tabs.clientWidth - tab.offsetWidth) / 2;

  // A log that is read at its end is followed as it grows; one that is read elsewhere stays where it is.

  const logsOf = (target) => {
    const around = target.closest(".log-lines");
    return around ? [around] : [...target.querySelectorAll(".log-lines")];
  };
  for (const log of document.querySelectorAll("#log-lines")) log.scrollTop = log.scrollHeight;
  const isFollowed = (log) => log.scrollHeight - log.scrollTop - log.clientHeight < 24;

  // The dialog of a deletion. A browser without scripts gets the same form as a page.

  const dialog = $("#dialog");
  let opener = null;
  let openerFallback = null;
  const openDialog = () => {
    if (!dialog.open) {
      opener = document.activeElement.id;
      openerFallback = document.activeElement.closest("[data-refocus]")?.dataset.refocus;
      dialog.showModal();
    }
    $("[data-close-dialog]", dialog)?.focus();
  };
  /* The browser gives the focus back to the very element that had it, which may have been replaced meanwhile. */
  dialog.addEventListener("close", () => {
    const { activeElement } = document;
    if (activeElement !== document.body && !dialog.contains(activeElement)) return;
    const place = (opener && document.getElementById(opener)) || (openerFallback && $(openerFallback));
    place?.focus({ preventScroll: true });
  });
  document.body.addEventListener("close-dialog", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-close-dialog]")) {
      event.preventDefault();
      dialog.close();
    }
  });

  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest(".notice, .install, .reloaded")?.remove();
  });

  // What the scripts of single pages use.
  window.cadence = Object.freeze({ $, announce, announceIn, dialog, online, sizeWords });
})();
