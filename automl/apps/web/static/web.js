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
  // Rows: [[key, [cell, ...]], ...]; a row is replaced where its key exists. Cells are texts, never HTML.
  rows(id, rows) {
    const body = document.getElementById(id);
    if (!body) return;
    for (const [key, cells, state] of rows) {
      let row = body.querySelector(`[data-key="${CSS.escape(String(key))}"]`);
      if (!row) {
        row = body.insertRow();
        row.dataset.key = key;
        cells.forEach(() => row.insertCell());
      }
      if (state) row.dataset.state = state;
      cells.forEach((text, at) => {
        const cell = row.cells[at];
        if (cell.textContent !== text) cell.textContent = text;
      });
    }
  },
  // Boxes of a picture that a person chose, by a version of a model.
  async tryPicture(input, where, texts) {
    const file = input.files[0];
    if (!file) return;
    const out = document.getElementById(where.canvas), note = document.getElementById(where.note);
    const conf = document.getElementById(where.slider)?.dataset.value;
    note.textContent = texts.busy;
    const answer = await fetch(conf ? `${where.url}?conf=${conf}` : where.url, {method: "POST", body: file});
    const found = await answer.json().catch(() => ({detail: answer.statusText}));
    if (!answer.ok) { note.textContent = `${texts.refused} ${found.detail}`; return; }
    const picture = await createImageBitmap(file);
    out.width = picture.width; out.height = picture.height; out.hidden = false;
    const pen = out.getContext("2d"), line = Math.max(2, picture.width / 300);
    pen.drawImage(picture, 0, 0);
    pen.lineWidth = line; pen.font = `${line * 7}px sans-serif`;
    for (const box of found.boxes) {
      const [x1, y1, x2, y2] = box.box;
      pen.strokeStyle = pen.fillStyle = `hsl(${[...box.name].reduce((sum, one) => sum * 31 + one.charCodeAt(0), 7) % 360} 90% 45%)`;
      pen.strokeRect(x1, y1, x2 - x1, y2 - y1);
      pen.fillText(`${box.name} ${box.confidence.toFixed(2)}`, x1, Math.max(y1 - line * 2, line * 7));
    }
    note.textContent = texts.found.replace("{count}", found.boxes.length);
  },
};
window.automl = automl;
