/* Uploads: choose and drop files, show their bytes on the way, and hand over to the server's own row of the install.
   Everything here adds to a form that works without it. */
(() => {
  "use strict";

  const MAX_SENDING = 2;
  const { $, announce, announceIn, dialog, online, sizeWords } = window.cadence;

  const form = $("#upload-form");
  if (!form) return;
  const input = $("#file");
  const list = $("#chosen");
  const error = $("#upload-error");
  const rows = $("#sending");
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

  /* What the browser has handed on is not what has arrived: a slow line has megabytes under way. So the server's own
     count is shown as soon as it is known, and all of it only once the server has answered. */
  const underWay = new Map();
  const ALMOST = 0.99;

  const showBytes = ({ row, size, sent, received }) => {
    const arrived = received ?? sent;
    $(".bytes", row).value = size ? Math.min(arrived / size, ALMOST) : 0;
    $(".install-result", row).textContent = sent < size
      ? "Sending the file" : "Handed on to the network. Waiting for the server to have all of it";
    $(".sending-bytes", row).textContent = `${sizeWords(arrived)} of ${sizeWords(size)}${received === undefined ? "" : " received"}`;
  };

  /* Rows of uploads that come in: our own tell how far they are, and give way to the rows they are about. */
  const readIncoming = () => {
    for (const incoming of document.querySelectorAll("#installs [data-upload-key]")) {
      const upload = underWay.get(incoming.dataset.uploadKey);
      if (!upload) continue;
      const share = Number(incoming.dataset.received) / Number(incoming.dataset.total);
      if (Number.isFinite(share)) upload.received = Math.min(upload.size, Math.floor(share * upload.size));
      showBytes(upload);
      incoming.remove();
    }
  };
  document.addEventListener("htmx:afterSwap", readIncoming);
  setInterval(() => {
    if (sending) htmx.trigger(document.body, "installs-changed");
  }, 700);

  const send = (file, fields, action, row) => {
    const again = () => enqueue(file, fields, action, row);
    const request = new XMLHttpRequest();
    const body = new FormData();
    for (const [name, value] of fields) body.append(name, value); // the token and the options come before the bytes
    body.append("file", file, file.name);

    const key = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
    const stop = $(".sending-stop", row);
    const upload = { row, size: file.size, sent: 0, received: undefined };
    underWay.set(key, upload);
    showBytes(upload);
    stop.onclick = () => request.abort();

    request.upload.onprogress = (event) => {
      upload.sent = Math.min(event.loaded, file.size);
      showBytes(upload);
    };
    // What was handed on whole may have arrived whole, and then it is an install whatever becomes of the connection.
    let handedOn = false;
    request.upload.onload = () => { handedOn = true; };
    const cut = (state, words, advice) => {
      ended(row, state, `${words} ${handedOn ? "If the file had arrived, it stands among the installs below." : advice}`, again);
      htmx.trigger(document.body, "installs-changed");
    };
    request.onload = () => received(request, row, again);
    request.onerror = () => cut("failed", "The connection broke before the server answered.",
      "Check that the server runs, then try again.");
    request.onabort = () => cut("cancelled", "Cancelled.", "Nothing was installed.");
    request.onloadend = () => {
      sending -= 1;
      underWay.delete(key);
      pump();
    };
    request.open("POST", action);
    request.setRequestHeader("HX-Request", "true");
    request.setRequestHeader("X-Upload-Key", key);
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
    const list = $("#installs");
    row.replaceWith(...installs.filter((install) => !install.id));
    for (const install of installs) {
      if (document.getElementById(install.id)) continue; // the list was quicker
      if (install.id) list.prepend(install);
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
