/* What htmx cannot do: choose and drop files, show their bytes on the way, and keep the page calm while parts of it
   change. Everything here adds to pages that work without it. */
(() => {
  "use strict";

  const MAX_SENDING = 2;
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
    kept = [...target.querySelectorAll("[data-keep-scroll][id]")].map((one) => [one.id, one.scrollTop]);
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
    for (const [id, top] of kept) document.getElementById(id)?.scrollTo({ top, behavior: "instant" });
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

  // Uploads

  const form = $("#upload-form");
  if (!form) return;
  const input = $("#file");
  const list = $("#chosen");
  const error = $("#upload-error");
  const rows = $("#installs");
  let chosen = [];

  const problemOf = (file) => {
    if (!/\.zip$/i.test(file.name)) return "Not a .zip file. Pack the plugin as name-version.zip.";
    if (file.size === 0) return "The file is empty.";
    if (file.size > Number(form.dataset.maxBytes)) {
      return `Too large: the server takes up to ${form.dataset.maxWords}.`;
    }
    return "";
  };

  const say = (words) => {
    error.textContent = words;
    error.hidden = !words;
  };

  const chosenRow = (file) => {
    const row = $("#chosen-template").content.firstElementChild.cloneNode(true);
    $(".chosen-name", row).textContent = file.name;
    $(".chosen-size", row).textContent = sizeWords(file.size);
    $(".chosen-problem", row).textContent = problemOf(file);
    $("button .unseen", row).textContent = `Remove ${file.name}`;
    $("button", row).addEventListener("click", () => remove(file));
    return row;
  };

  const show = () => {
    list.replaceChildren(...chosen.map(chosenRow));
    list.hidden = chosen.length === 0;
    input.required = chosen.length === 0;
    say("");
  };

  const remove = (file) => {
    const index = chosen.indexOf(file);
    chosen = chosen.filter((other) => other !== file);
    show();
    const next = list.children[Math.min(index, chosen.length - 1)];
    (next ? $("button", next) : input).focus();
  };

  const same = (one, other) =>
    one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

  const add = (files) => {
    const fresh = [...files].filter((file) => !chosen.some((other) => same(file, other)));
    chosen = [...chosen, ...fresh];
    show();
    const refused = fresh.filter(problemOf);
    const words = refused.map((file) => `${file.name}: ${problemOf(file)}`);
    if (fresh.length) announce([`${chosen.length} file${chosen.length === 1 ? "" : "s"} chosen.`, ...words].join(" "));
  };

  input.addEventListener("change", () => {
    add(input.files);
    input.value = ""; // so that the same file can be chosen again after it was changed
  });

  // A file dropped anywhere on the page is meant for us; without this the browser would leave the page to show it.
  let depth = 0;
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const dragging = (is) => {
    depth = is ? depth : 0;
    document.body.classList.toggle("dragging", is);
  };
  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth += 1;
    dragging(true);
  });
  window.addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --depth <= 0) dragging(false);
  });
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = dialog.open ? "none" : "copy";
  });
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    dragging(false);
    if (!dialog.open) add(event.dataTransfer.files);
  });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const action = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    const isCheck = action !== form.getAttribute("action");
    const good = chosen.filter((file) => !problemOf(file));
    if (!good.length) {
      say(chosen.length ? "None of these files can be uploaded." : "Choose a plugin archive first.");
      input.focus();
      return;
    }
    const fields = new FormData(form);
    fields.delete("file");
    if (!isCheck) {  // what was only checked stays chosen, to be uploaded next
      chosen = chosen.filter((file) => !good.includes(file));
      show();
    }
    say("");
    for (const file of good) enqueue(file, fields, action);
    rows.firstElementChild.scrollIntoView({ block: "nearest" });
  });

  // Each file is a request of its own: one can fail or be cancelled and the others go on.

  const queue = [];
  let sending = 0;

  window.addEventListener("beforeunload", (event) => {
    if (sending || queue.length) event.preventDefault();
  });

  const pump = () => {
    while (queue.length && sending < MAX_SENDING) {
      sending += 1;
      queue.shift()();
    }
  };

  const enqueue = (file, fields, action, row = sendingRow(file)) => {
    const stop = $(".sending-stop", row);
    const start = () => send(file, fields, action, row);
    row.dataset.state = "sending";
    $(".install-result", row).textContent = "Waiting for its turn";
    $(".bytes", row).hidden = false;
    $(".install-body", row).hidden = false;
    $(".sending-bytes", row).textContent = sizeWords(file.size);
    stop.textContent = "Cancel";
    stop.onclick = () => {
      queue.splice(queue.indexOf(start), 1);
      ended(row, "cancelled", "Cancelled. Nothing was sent.", () => enqueue(file, fields, action, row));
    };
    queue.push(start);
    pump();
  };

  const sendingRow = (file) => {
    const row = $("#sending-template").content.firstElementChild.cloneNode(true);
    $(".install-title", row).textContent = file.name;
    row.setAttribute("aria-label", `Upload of ${file.name}`);
    $(".bytes", row).setAttribute("aria-label", `Sent of ${file.name}`);
    rows.prepend(row);
    return row;
  };

  /* An upload that ended without an install: its words, and the same again on request. */
  const ended = (row, state, words, again) => {
    row.dataset.state = state;
    $(".install-result", row).textContent = words;
    $(".bytes", row).hidden = true;
    $(".install-body", row).hidden = true;
    const stop = $(".sending-stop", row);
    stop.textContent = "Try again";
    stop.hidden = false;
    stop.onclick = again;
    announce(`${$(".install-title", row).textContent}: ${words}`);
  };

  const send = (file, fields, action, row) => {
    const again = () => enqueue(file, fields, action, row);
    const request = new XMLHttpRequest();
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value); // the token and the options come before the bytes
    body.append("file", file, file.name);

    const progress = $(".bytes", row);
    const words = $(".install-result", row);
    const bytes = $(".sending-bytes", row);
    const stop = $(".sending-stop", row);
    const moved = (loaded, total) => {
      progress.value = total ? loaded / total : 0;
      words.textContent = "Sending the file";
      bytes.textContent = `${sizeWords(loaded)} of ${sizeWords(total)}`;
    };
    moved(0, file.size);
    stop.onclick = () => request.abort();

    request.upload.onprogress = (event) => moved(Math.min(event.loaded, file.size), file.size);
    request.upload.onload = () => {
      progress.value = 1;
      words.textContent = "Sent. The server is checking it.";
      stop.hidden = true;
    };
    request.onload = () => received(request, row, again);
    request.onerror = () => ended(row, "failed",
      "The connection broke before the server answered. Check that the server runs, then try again.", again);
    request.onabort = () => ended(row, "cancelled", "Cancelled. Nothing was installed.", again);
    request.onloadend = () => {
      sending -= 1;
      pump();
    };
    request.open("POST", action);
    request.setRequestHeader("HX-Request", "true");
    request.send(body);
  };

  /* The answer takes the place of the row, whether it is an install to follow or a refusal in words. */
  const received = (request, row, again) => {
    online();
    const answer = new DOMParser().parseFromString(request.responseText, "text/html");
    const installs = [...answer.querySelectorAll(".install")];
    if (!installs.length) {
      const said = [...answer.querySelectorAll(".notice p")].map((line) => line.textContent).join(". ");
      ended(row, "failed", said || `The server refused the file (error ${request.status}).`, again);
      return;
    }
    const title = $(".install-title", row).textContent;
    row.replaceWith(...installs);
    for (const install of installs) {
      const heading = $(".install-title", install);
      if (request.status >= 400 && heading.textContent === "Upload") heading.textContent = title;
      announceIn(install);
      htmx.process(install);
    }
    if (!installs.some((install) => install.dataset.state === "running")) {
      htmx.trigger(document.body, "plugins-changed");
    }
  };
})();
