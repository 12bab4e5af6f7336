"use strict";
// Functions of the pages that run in the browser: rows of a live table, curves, appearance, pictures with boxes.
const automl = {
  dark() {
    const now = document.body.classList.contains("body--dark");
    document.cookie = `automl-dark=${now ? 0 : 1}; path=/; max-age=31536000; samesite=strict`;
    document.body.classList.toggle("body--dark", !now);
    document.body.classList.toggle("body--light", now);
    window.dispatchEvent(new Event("resize"));
  },
  // Texts of NiceGUI's message about a lost connection, which is English without a language for all pages.
  lost(texts) {
    addEventListener("DOMContentLoaded", () => document.querySelectorAll("#popup span").forEach((span, at) => { span.textContent = texts[at]; }));
  },
  // Rows: [[key, [cell, ...], state], ...]; a row is replaced where its key exists. Cells are texts, never HTML.
  rows(id, rows) {
    const body = document.getElementById(id);
    if (!body) return;
    const known = (body.automlRows ??= new Map());
    for (const [key, cells, state] of rows) {
      let row = known.get(key);
      if (!row) {
        row = body.insertRow();
        row.dataset.key = key;
        cells.forEach(() => row.insertCell());
        known.set(key, row);
      }
      if (state) row.dataset.state = state;
      cells.forEach((text, at) => {
        const cell = row.cells[at];
        if (cell.textContent !== text) cell.textContent = text;
      });
    }
  },
  // Follows a study: asks for what is newer than the version shown, draws it, asks again; where: {url, most}.
  live(where, chart) {
    const lines = automl.lines(chart, where.most), address = location.origin.replace(/^http/, "ws") + where.url;
    let version = 0, wait = 500;
    const connect = () => {
      const socket = new WebSocket(address), ask = () => { if (socket.readyState === WebSocket.OPEN) socket.send(String(version)); };
      // asks once it is drawn; a page that nobody sees is not drawn, and asks every 5 seconds or when it is seen again
      const next = () => {
        let asked = false;
        const once = () => {
          if (asked) return;
          asked = true; clearTimeout(timer); document.removeEventListener("visibilitychange", once); ask();
        };
        const timer = setTimeout(once, document.hidden ? 5000 : 1000);
        document.addEventListener("visibilitychange", once);
        if (!document.hidden) requestAnimationFrame(once);
      };
      socket.onopen = () => { wait = 500; ask(); };
      socket.onmessage = (event) => {
        const found = JSON.parse(event.data);
        version = found.version;
        if (found.rows) { automl.rows("trials", found.rows); automl.rows("rungs", found.rungs); lines.take(found.rows); }
        next();
      };
      socket.onclose = (event) => { if (event.code < 4000) setTimeout(connect, wait = Math.min(2 * wait, 10000)); };
    };
    connect();
  },
  // Curves of a chart: those of the best trials, drawn at most once a second, which costs more than all rows.
  lines(chart, most) {
    const EVERY_MS = 1000, curves = new Map(), changed = new Set();
    let drawn = "", timer = null;
    const draw = () => {
      timer = null;
      const now = chart();
      if (!now) { timer = setTimeout(draw, 100); return; }
      const best = [...curves].filter(([, one]) => one.points.length).sort(([, a], [, b]) => b.value - a.value).slice(0, most);
      const names = best.map(([key]) => key).sort((a, b) => a - b).join();
      const shown = names === drawn ? best.filter(([key]) => changed.has(key)) : best;
      const series = shown.map(([key, one]) => ({id: `trial${key}`, name: String(key), type: "line", data: one.points,
        showSymbol: one.points.length === 1, lineStyle: {width: 1.5}}));
      if (series.length) now.setOption({series}, names === drawn ? {} : {replaceMerge: ["series"]});
      drawn = names; changed.clear();
    };
    return {take(rows) {
      for (const [key, , , value, at, points] of rows) {
        const one = curves.get(key) ?? {points: []};
        one.points = [...one.points.slice(0, at), ...points]; one.value = value ?? 0;
        curves.set(key, one); changed.add(key);
      }
      timer ??= setTimeout(draw, drawn ? EVERY_MS : 0);
    }};
  },
  // Asks a version for the boxes of a picture: {boxes} or {detail}.
  async ask(picture, where) {
    const conf = document.getElementById(where.slider)?.dataset.value;
    try {
      const answer = await fetch(conf ? `${where.url}?conf=${conf}` : where.url, {method: "POST", body: picture});
      const found = await answer.json().catch(() => ({detail: answer.statusText}));
      return answer.ok ? found : {detail: String(found.detail)};
    } catch (error) { return {detail: String(error)}; }
  },
  // Draws a picture and its boxes on a canvas.
  draw(canvas, picture, boxes) {
    canvas.width = picture.width; canvas.height = picture.height; canvas.hidden = false;
    const pen = canvas.getContext("2d"), line = Math.max(2, picture.width / 300);
    pen.drawImage(picture, 0, 0);
    pen.lineWidth = line; pen.font = `${line * 7}px sans-serif`;
    for (const box of boxes) {
      const [x1, y1, x2, y2] = box.box;
      pen.strokeStyle = pen.fillStyle = `hsl(${[...box.name].reduce((sum, one) => sum * 31 + one.charCodeAt(0), 7) % 360} 90% 45%)`;
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      pen.fillText(`${box.name} ${box.confidence.toFixed(2)}`, x1, Math.max(y1 - line * 2, line * 7));
    }
  },
  // A picture that a person chose.
  async tryPicture(input, where, texts) {
    const file = input.files[0], note = document.getElementById(where.note);
    if (!file) return;
    note.textContent = texts.busy;
    const found = await automl.ask(file, where);
    if (found.detail) { note.textContent = `${texts.refused} ${found.detail}`; return; }
    const picture = await createImageBitmap(file).catch(() => null);
    if (picture) automl.draw(document.getElementById(where.canvas), picture, found.boxes);
    note.textContent = texts.found.replace("{count}", found.boxes.length);
  },
  // All pictures of a folder, one after another; the first MOST_SHOWN are shown.
  async tryFolder(input, where, texts) {
    const MOST_SHOWN = 60, list = document.getElementById(where.list), note = document.getElementById(where.note);
    const files = [...input.files].filter((file) => file.type.startsWith("image/"));
    input.value = "";
    list.replaceChildren();
    let count = 0, done = 0, refused = 0;
    for (const file of files) {
      const found = await automl.ask(file, where), picture = found.detail ? null : await createImageBitmap(file).catch(() => null);
      if (found.detail) refused += 1; else { done += 1; count += found.boxes.length; }
      if (list.childElementCount < MOST_SHOWN) {
        const figure = document.createElement("figure"), text = document.createElement("figcaption");
        if (picture) { const canvas = document.createElement("canvas"); canvas.className = "shot"; automl.draw(canvas, picture, found.boxes); figure.append(canvas); }
        text.textContent = found.detail ? `${file.name}: ${texts.refused} ${found.detail}` : `${file.name}: ${texts.found.replace("{count}", found.boxes.length)}`;
        figure.append(text);
        list.append(figure);
      }
      note.textContent = texts.files.replace("{files}", done).replace("{count}", count).replace("{refused}", refused);
    }
  },
  // The camera of the computer of the browser, picture after picture, until the button is pressed again.
  async tryCamera(button, where, texts) {
    const note = document.getElementById(where.note);
    if (automl.camera) { automl.camera.getTracks().forEach((track) => track.stop()); automl.camera = null; return; }
    try {
      automl.camera = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 1280}}, audio: false});
    } catch (error) { note.textContent = `${texts.camera} ${error.message ?? error}`; return; }
    const video = document.createElement("video"), still = document.createElement("canvas"), stream = automl.camera;
    video.muted = true; video.srcObject = stream;
    button.setAttribute("aria-pressed", "true");
    await video.play();
    while (automl.camera === stream && stream.active) {
      still.width = video.videoWidth; still.height = video.videoHeight;
      still.getContext("2d").drawImage(video, 0, 0);
      const found = await automl.ask(await new Promise((done) => still.toBlob(done, "image/jpeg", 0.9)), where);
      if (automl.camera !== stream) break;
      if (found.detail) { note.textContent = `${texts.refused} ${found.detail}`; await new Promise((done) => setTimeout(done, 1000)); continue; }
      automl.draw(document.getElementById(where.canvas), still, found.boxes);
      note.textContent = texts.found.replace("{count}", found.boxes.length);
    }
    button.setAttribute("aria-pressed", "false");
  },
};
window.automl = automl;
