/* The page of a conversation, for browsers with scripts: the answer comes piece by piece while it is made. The server
   sends HTML that was made by the same templates as the page (cadence/web/pages/chat_stream.py says which events there
   are); this puts it in its place. Without this script the same forms lead to the same thread. */
(() => {
  "use strict";

  const $ = (selector, root = document) => root.querySelector(selector);
  const chat = $("#chat");
  if (!chat) return;

  const MAX_TRIES = 5;
  const MAX_WAIT_SECONDS = 30;
  const STOP_MS = 10_000;
  const NEAR_END_PX = 64;

  const composer = $("#composer");
  const message = $("#message");
  const send = $("#send");
  const stop = $("#stop");
  const problem = $("#chat-problem");
  const waits = $("#chat-waits");
  const said = $("#chat-said");
  const chips = $("#scope-chips");
  const hasKeyboard = matchMedia("(pointer: fine)").matches;

  // The reader: whoever reads at the end stays there, whoever scrolled up is left in peace.

  const atEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - NEAR_END_PX;
  const toEnd = () => scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
  const change = (what) => {
    const follows = atEnd();
    const result = what();
    if (follows) toEnd();
    return result;
  };

  /* Spoken in whole sentences: a voice that says each piece as it comes cannot be understood. */
  const speak = (words) => {
    const line = document.createElement("p");
    line.textContent = words;
    said.append(line);
    while (said.childElementCount > 20) said.firstElementChild.remove();
  };
  const sentences = () => {
    let rest = "";
    let any = false;
    const say = (words) => {
      if (!words.trim()) return;
      any = true;
      speak(words.trim());
    };
    return {
      hear(text) {
        rest += text;
        const end = /^[^]*[.!?:\n](?=\s)/.exec(rest)?.[0].length ?? 0;
        say(rest.slice(0, end));
        rest = rest.slice(end);
      },
      end(whole) {
        say(any || rest ? rest : whole);
      },
    };
  };

  // Parts of the page

  const elementOf = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  };

  /* Where the focus is, in words that still hold once the part is replaced. */
  const placeOf = (element) => {
    if (element.id) return `#${CSS.escape(element.id)}`;
    const details = element.matches("summary") && element.closest("details[id]");
    return details ? `#${CSS.escape(details.id)} > summary` : null;
  };

  const swap = (old, fresh) => {
    const opened = [...old.querySelectorAll("details[open][id]")].map((details) => details.id);
    const place = old.contains(document.activeElement) ? placeOf(document.activeElement) : null;
    old.replaceWith(fresh);
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
    htmx.process(fresh);
    if (place && document.activeElement === document.body) ($(place) ?? message).focus({ preventScroll: true });
    return fresh;
  };

  const showHead = (head) => {
    swap($("#chat-head"), head);
    $("#chat-start")?.remove();
    const { id, url, title } = head.dataset;
    composer.action = url;
    composer.elements.thread_id.value = id;
    document.title = title;
    if (location.pathname !== url) history.replaceState(null, "", url);
  };

  const giveBack = (text) => {
    if (message.value || !text) return;
    message.value = text;
    grow();
  };

  const complain = (element, text) => {
    change(() => problem.replaceChildren(element));
    giveBack(text);
  };

  const complainInWords = (words, text) => {
    const line = document.createElement("p");
    line.className = "reason";
    line.dataset.status = "failed";
    line.setAttribute("role", "alert");
    line.textContent = words;
    complain(line, text);
  };

  const tell = (words) => {
    waits.textContent = words;
    waits.hidden = !words;
  };

  // Server-sent events (HTML, section 9.2.6). What comes in may be cut anywhere, also inside the end of a line.

  const eventReader = (take) => {
    let rest = "";
    let name = "";
    let data = [];
    const takeLine = (line) => {
      if (line === "") {
        if (data.length) take(name, data.join("\n"));
        name = "";
        data = [];
        return;
      }
      const [, field, value] = /^([^:]*)(?:: ?([^]*))?$/.exec(line);
      if (field === "event") name = value ?? "";
      else if (field === "data") data.push(value ?? "");
    };
    return (text) => {
      const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      lines.forEach(takeLine);
    };
  };

  const readEvents = async (body, take) => {
    const read = eventReader(take);
    const decoder = new TextDecoder();
    const reader = body.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      read(decoder.decode(value, { stream: true }));
    }
  };

  /* A turn as it comes in. */
  const incomingTurn = () => {
    const voice = sentences();
    let article = null;
    let pending = "";
    let isOver = false;

    const flush = () => {
      if (!pending) return;
      const text = pending;
      pending = "";
      change(() => {
        const answer = $(".answer", article);
        if (answer.lastChild) answer.lastChild.data += text;
        else answer.append(text);
      });
      voice.hear(text);
    };

    const parts = {
      head: (fresh) => showHead(fresh),
      threads: (fresh) => swap($("#threads"), fresh),
      turn: (fresh) => {
        article = fresh;
        $("#turns").append(article);
        toEnd();
      },
      doing: (fresh) => $(".turn-doing", article)?.replaceWith(fresh),
      step: (fresh) => {
        const old = document.getElementById(fresh.id);
        if (old) swap(old, fresh);
        else $(".turn-steps", article).append(fresh);
      },
      end: (fresh) => {
        article = swap(article, fresh);
        isOver = true;
        const reason = $(".turn-reason", article);
        voice.end(reason ? reason.textContent : $(".answer", article).textContent);
      },
    };

    return {
      get isOver() { return isOver; },
      get hasBegun() { return article !== null; },
      take(name, html) {
        if (name === "token") {
          // What was drawn so far is drawn again only once a picture: a fast model sends hundreds of pieces a second.
          if (!pending) requestAnimationFrame(flush);
          const template = document.createElement("template");
          template.innerHTML = html;
          pending += template.content.textContent;
          return;
        }
        flush();
        const fresh = elementOf(html);
        if (parts[name] && fresh) change(() => parts[name](fresh));
      },
    };
  };

  // Asking

  let running = null;

  const setBusy = (run) => {
    const hadFocus = [send, stop, document.body].includes(document.activeElement);
    running = run;
    chat.toggleAttribute("data-busy", run !== null);
    send.hidden = run !== null;
    stop.hidden = run === null;
    stop.disabled = false;
    if (hadFocus) (hasKeyboard ? message : run ? stop : send).focus({ preventScroll: true });
  };

  const pause = (ms, signal) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });

  /* The answer to a question. Where too many are asked at once, it is asked again when the server says. */
  const request = async (fields, signal) => {
    for (let tries = 1; ; tries += 1) {
      const response = await fetch(composer.dataset.stream, {
        method: "POST",
        body: fields,
        headers: { Accept: "text/event-stream, text/html", "HX-Request": "true" },
        signal,
      });
      if (response.status !== 429 || tries === MAX_TRIES) return response;
      const asked = Number(response.headers.get("Retry-After")) || 2;
      const seconds = Math.min(Math.max(asked, 1), MAX_WAIT_SECONDS);
      const again = `It is asked again in ${seconds} second${seconds === 1 ? "" : "s"}, for the ${tries + 1}. of ${MAX_TRIES} times.`;
      tell(`Too many conversations are answered at the moment. ${again}`);
      await pause(seconds * 1000, signal);
      tell("");
    }
  };

  const refused = async (response, text) => {
    const words = `The server answered with error ${response.status}. Try again.`;
    const html = await response.text().catch(() => "");
    const element = response.headers.get("Content-Type")?.startsWith("text/html") ? elementOf(html) : null;
    if (element?.matches(".refused, .notice")) complain(element, text);
    else complainInWords(words, text);
  };

  /**
   * @param fields what to send
   * @param text the message, to be given back where it could not be asked; empty where it still stands elsewhere
   */
  const ask = async (fields, text) => {
    const abort = new AbortController();
    const turn = incomingTurn();
    problem.replaceChildren();
    said.replaceChildren();
    setBusy({ abort });
    try {
      const response = await request(fields, abort.signal);
      if (response.ok && response.body) await readEvents(response.body, turn.take);
      else await refused(response, text);
      if (response.ok && !turn.isOver) throw new TypeError("The stream ended before the turn did.");
    } catch (error) {
      tell("");
      if (turn.hasBegun && !turn.isOver) await refresh();
      else if (error.name === "AbortError") giveBack(text);
      else if (!turn.isOver) {
        complainInWords("The connection broke before the server answered. Check that it runs, then send it again.", text);
      }
    } finally {
      setBusy(null);
    }
  };

  /* What the thread is now: the stream broke, and how far the turn came is in the server. */
  const refresh = async () => {
    const connection = $("#connection");
    for (let tries = 0; ; tries += 1) {
      const response = await fetch(composer.action).catch(() => null);
      if (response?.status === 404) location.assign($(".chat-new").href);
      if (response?.ok) {
        const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
        change(() => {
          for (const id of ["turns", "threads"]) swap($(`#${id}`), $(`#${id}`, fresh));
        });
        connection.hidden = true;
        return;
      }
      connection.textContent = "The connection broke. This page keeps trying.";
      connection.hidden = false;
      await pause(Math.min(1000 * 2 ** tries, 10_000));
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-ask]")) return;
    event.preventDefault();
    if (running) return;
    const fields = new URLSearchParams(new FormData(form, event.submitter));
    if (!fields.get("message")?.trim()) return;
    if (form.closest("#chat-start")) {
      fields.delete("plugin");
      for (const box of chosenBoxes()) fields.append("plugin", box.value);
    }
    fields.set("thread_id", composer.elements.thread_id.value);
    const text = form === composer ? message.value : "";
    if (form === composer) {
      message.value = "";
      grow();
    }
    ask(fields, text);
  });

  stop.addEventListener("click", () => {
    const run = running;
    const { stop: address } = $("#chat-head").dataset;
    stop.disabled = true;
    if (!run || !$(".turn[data-state='running']", chat) || !address) {
      run?.abort.abort();
      return;
    }
    // The stream says how the turn ended. Where it does not, it is left, which stops the turn as well.
    const body = new URLSearchParams({ csrf_token: composer.elements.csrf_token.value });
    fetch(address, { method: "POST", body, headers: { "HX-Request": "true" } })
      .then((response) => { if (!response.ok) run.abort.abort(); }, () => run.abort.abort());
    setTimeout(() => { if (running === run) run.abort.abort(); }, STOP_MS);
  });

  message.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    if (message.value.trim() && !running) composer.requestSubmit();
  });

  const growsByItself = CSS.supports("field-sizing", "content");
  const grow = () => {
    if (growsByItself) return;
    message.style.height = "auto";
    message.style.height = `${message.scrollHeight}px`;
  };
  message.addEventListener("input", grow);

  // Which plugins may answer

  const chosenBoxes = () => [...composer.querySelectorAll("#scope input:checked")];

  const showChips = () => {
    chips.replaceChildren(...chosenBoxes().map((box) => {
      const chip = $("#chip-template").content.firstElementChild.cloneNode(true);
      $("[data-name]", chip).textContent = box.value;
      $("[data-about]", chip).textContent = box.value;
      $("a", chip).dataset.drop = box.value;
      return chip;
    }));
  };

  $("#scope")?.addEventListener("change", showChips);
  chips.addEventListener("click", (event) => {
    const link = event.target.closest("[data-drop]");
    if (!link) return;
    event.preventDefault();
    for (const box of chosenBoxes()) if (box.value === link.dataset.drop) box.checked = false;
    showChips();
    message.focus({ preventScroll: true });
  });

  // The page as it was opened

  grow();
  if (!location.hash && $(".turn")) toEnd();
  if (hasKeyboard && !problem.childElementCount) message.focus({ preventScroll: true });
})();
