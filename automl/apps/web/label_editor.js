// Editor of the boxes of one image: an SVG over the image, in shares of the image (0 to 1) times SIDE.
// Events: change {key, version, boxes}, undo {key}, step {by}, background {key, version}, answer {answer}.
const SIDE = 10000;
const HANDLES = [
  ["left", "top"], ["", "top"], ["right", "top"], ["right", ""],
  ["right", "bottom"], ["", "bottom"], ["left", "bottom"], ["left", ""],
];
const STEP = 0.002;
const LEAST = 0.002;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

export default {
  template: `
    <div ref="root" class="label-editor" tabindex="0" role="application" :aria-label="texts.editor"
         @keydown="onKey" @wheel.prevent="onWheel"
         :style="{ position: 'relative', overflow: 'hidden', outlineOffset: '2px', touchAction: 'none', borderRadius: '4px',
                   background: '#8884', maxWidth: 'calc(74vh / ' + ratio + ')' }">
      <div :style="stage">
        <img v-if="view.src" :src="view.src" :alt="view.key" draggable="false"
             style="width:100%;height:100%;display:block;user-select:none;pointer-events:none" />
        <svg ref="svg" :viewBox="'0 0 ${SIDE} ${SIDE}'" preserveAspectRatio="none"
             style="position:absolute;inset:0;width:100%;height:100%;cursor:crosshair"
             @pointerdown="onDown($event, null)" @pointermove="onMove" @pointerup="onUp" @pointercancel="onUp">
          <rect v-for="(box, i) in offered" :key="'p' + i" v-bind="place(box)" class="proposal" fill="none"
                :stroke="colour(box.cls)" stroke-width="2" stroke-dasharray="6 4" vector-effect="non-scaling-stroke"
                style="cursor:pointer;pointer-events:all" @pointerdown.stop="accept(box)" />
          <rect v-for="(box, i) in boxes" :key="box.uid" v-bind="place(box)" class="box" :data-cls="box.cls"
                :fill="colour(box.cls)" :fill-opacity="i === selected ? 0.18 : 0.06" :stroke="colour(box.cls)"
                :stroke-width="i === selected ? 3 : 2" vector-effect="non-scaling-stroke"
                style="cursor:move" @pointerdown.stop="onDown($event, i)" />
          <rect v-if="view.suspect && view.suspect.box" v-bind="place(view.suspect.box)" class="suspect" fill="none"
                stroke="#ff9800" stroke-width="4" vector-effect="non-scaling-stroke" style="pointer-events:none" />
          <rect v-if="view.suspect && view.suspect.suggested" v-bind="place(view.suspect.suggested)" class="suggested"
                fill="none" stroke="#03a9f4" stroke-width="3" stroke-dasharray="8 4" vector-effect="non-scaling-stroke"
                style="pointer-events:none" />
          <rect v-if="draft" v-bind="place(draft)" fill="none" :stroke="colour(cls)" stroke-width="2"
                vector-effect="non-scaling-stroke" />
        </svg>
        <span v-for="(box, i) in boxes" :key="'n' + box.uid" class="name"
              :style="tag(box)">{{ names[box.cls] }}</span>
        <span v-for="(box, i) in offered" :key="'c' + i" class="name"
              :style="tag(box)">{{ names[box.cls] }} {{ Math.round(box.confidence * 100) }}%?</span>
        <template v-if="boxes[selected]">
          <span v-for="handle in handles" :key="handle.join('-')" class="handle" :style="knob(handle)"
                @pointerdown.stop.prevent="onHandle($event, handle)" @pointermove="onMove" @pointerup="onUp"></span>
        </template>
      </div>
      <div aria-live="polite" style="position:absolute;left:-9999px">{{ spoken }}</div>
    </div>
  `,
  props: { view: Object, names: Array, texts: Object, cls: Number },
  data: () => ({
    boxes: [], selected: -1, draft: null, drag: null, zoom: 1, x: 0, y: 0, next: 1, sent: null, dirty: false,
    key: "", version: "", serial: -1, hidden: [], width: 0, handles: HANDLES,
  }),
  computed: {
    ratio() { return (this.view.height || 1) / (this.view.width || 1); },
    stage() {
      return {
        position: "relative", width: "100%", aspectRatio: `${this.view.width || 1} / ${this.view.height || 1}`,
        transformOrigin: "0 0", transform: `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`,
      };
    },
    offered() { return (this.view.proposals || []).filter((_, i) => !this.hidden.includes(i)); },
    spoken() {
      const box = this.boxes[this.selected];
      return box ? `${this.names[box.cls]} ${this.selected + 1}/${this.boxes.length}` : `${this.boxes.length}`;
    },
  },
  watch: {
    view: { handler() { this.take(); }, immediate: true },
  },
  mounted() { this.$refs.root.focus({ preventScroll: true }); },
  methods: {
    take() {
      const view = this.view;
      if (!view || view.serial === this.serial) return; // other properties of the element were sent
      this.serial = view.serial;
      const fresh = view.key !== this.key;
      if (fresh) {
        this.zoom = 1; this.x = 0; this.y = 0; this.selected = -1; this.draft = this.drag = null; this.hidden = [];
        this.$refs.root?.focus({ preventScroll: true });
      }
      if (!fresh && this.sent && view.saved && view.boxes.length === this.sent.length) {
        const lines = new Map(this.sent.map((uid, i) => [uid, view.boxes[i].line]));
        this.boxes.forEach((box) => { box.line = lines.get(box.uid) ?? 0; });
      } else {
        this.boxes = (view.boxes || []).map((box) => ({ ...box, uid: this.next++ }));
        this.selected = Math.min(this.selected, this.boxes.length - 1);
        this.dirty = false;
      }
      this.key = view.key; this.version = view.version; this.sent = null;
      if (this.dirty) this.save();
    },
    save() {
      if (this.sent) { this.dirty = true; return; }
      this.dirty = false;
      this.sent = this.boxes.map((box) => box.uid);
      const boxes = this.boxes.map(({ uid, ...box }) => box);
      this.$emit("change", { key: this.key, version: this.version, boxes });
    },
    colour(cls) { return `hsl(${(cls * 137 + 140) % 360} 90% 50%)`; },
    place(box) {
      return { x: box.left * SIDE, y: box.top * SIDE, width: Math.max(0, box.right - box.left) * SIDE,
               height: Math.max(0, box.bottom - box.top) * SIDE };
    },
    tag(box) {
      const up = box.top > 0.04;
      return { position: "absolute", left: `${box.left * 100}%`, top: `${(up ? box.top : box.bottom) * 100}%`,
               transform: `scale(${1 / this.zoom})` + (up ? " translateY(-100%)" : ""), transformOrigin: up ? "0 0" : "0 0",
               background: this.colour(box.cls), color: "#000", font: "12px sans-serif", padding: "0 3px",
               pointerEvents: "none", whiteSpace: "nowrap", opacity: 0.85 };
    },
    knob([across, down]) {
      const box = this.boxes[this.selected];
      const x = across ? box[across] : (box.left + box.right) / 2;
      const y = down ? box[down] : (box.top + box.bottom) / 2;
      const size = 12 / this.zoom;
      return { position: "absolute", left: `calc(${x * 100}% - ${size / 2}px)`, top: `calc(${y * 100}% - ${size / 2}px)`,
               width: `${size}px`, height: `${size}px`, background: "#fff", border: `${2 / this.zoom}px solid #000`,
               borderRadius: "50%", boxSizing: "border-box", touchAction: "none",
               cursor: across && down ? ((across === "left") === (down === "top") ? "nwse-resize" : "nesw-resize")
                                      : across ? "ew-resize" : "ns-resize" };
    },
    at(event) {
      const area = this.$refs.svg.getBoundingClientRect();
      return [clamp((event.clientX - area.left) / area.width, 0, 1), clamp((event.clientY - area.top) / area.height, 0, 1)];
    },
    onDown(event, index) {
      this.$refs.root.focus({ preventScroll: true });
      if (event.button === 1 || event.shiftKey && index === null && this.zoom > 1) {
        this.drag = { pan: true, x: event.clientX - this.x, y: event.clientY - this.y };
      } else if (event.button === 0) {
        const [x, y] = this.at(event);
        this.selected = index ?? -1;
        this.drag = index === null ? { from: [x, y] } : { move: { ...this.boxes[index] }, from: [x, y] };
      }
      this.$refs.svg.setPointerCapture(event.pointerId);
    },
    onHandle(event, handle) {
      this.drag = { handle };
      event.target.setPointerCapture(event.pointerId);
    },
    onMove(event) {
      const drag = this.drag;
      if (!drag) return;
      if (drag.pan) { this.x = event.clientX - drag.x; this.y = event.clientY - drag.y; return; }
      const [x, y] = this.at(event);
      drag.moved = true;
      if (drag.handle) this.resize(this.boxes[this.selected], drag.handle, x, y);
      else if (drag.move) this.shift(this.boxes[this.selected], drag.move, x - drag.from[0], y - drag.from[1]);
      else this.draft = { left: Math.min(x, drag.from[0]), right: Math.max(x, drag.from[0]),
                          top: Math.min(y, drag.from[1]), bottom: Math.max(y, drag.from[1]) };
    },
    onUp() {
      const drag = this.drag, draft = this.draft;
      this.drag = this.draft = null;
      if (!drag || drag.pan || !drag.moved) return;
      if (draft) {
        if (draft.right - draft.left < LEAST || draft.bottom - draft.top < LEAST) return;
        this.add({ ...draft, cls: this.cls });
      } else this.save();
    },
    add(box) {
      this.boxes.push({ line: 0, ...box, uid: this.next++ });
      this.selected = this.boxes.length - 1;
      this.save();
    },
    addNew() { this.add({ left: 0.4, top: 0.4, right: 0.6, bottom: 0.6, cls: this.cls }); },
    resize(box, [across, down], x, y) {
      if (across === "left") box.left = clamp(x, 0, box.right - LEAST);
      if (across === "right") box.right = clamp(x, box.left + LEAST, 1);
      if (down === "top") box.top = clamp(y, 0, box.bottom - LEAST);
      if (down === "bottom") box.bottom = clamp(y, box.top + LEAST, 1);
    },
    shift(box, before, x, y) {
      const dx = clamp(x, -before.left, 1 - before.right), dy = clamp(y, -before.top, 1 - before.bottom);
      box.left = before.left + dx; box.right = before.right + dx;
      box.top = before.top + dy; box.bottom = before.bottom + dy;
    },
    accept(box) {
      this.hidden.push((this.view.proposals || []).indexOf(box));
      const { confidence, ...edges } = box;
      this.add({ left: clamp(edges.left, 0, 1), top: clamp(edges.top, 0, 1), right: clamp(edges.right, 0, 1),
                 bottom: clamp(edges.bottom, 0, 1), cls: edges.cls });
    },
    acceptAll() { [...this.offered].forEach((box) => this.accept(box)); },
    remove() {
      if (!this.boxes[this.selected]) return;
      this.boxes.splice(this.selected, 1);
      this.selected = Math.min(this.selected, this.boxes.length - 1);
      this.save();
    },
    setClass(cls) {
      if (cls < 0 || cls >= this.names.length) return;
      const box = this.boxes[this.selected];
      this.$emit("cls", { cls });
      if (box && box.cls !== cls) { box.cls = cls; this.save(); }
    },
    zoomBy(factor, clientX, clientY) {
      const area = this.$refs.root.getBoundingClientRect();
      const px = (clientX ?? area.left + area.width / 2) - area.left, py = (clientY ?? area.top + area.height / 2) - area.top;
      const zoom = clamp(this.zoom * factor, 1, 20);
      this.x = px - (px - this.x) * zoom / this.zoom; this.y = py - (py - this.y) * zoom / this.zoom;
      this.zoom = zoom;
      if (zoom === 1) this.x = this.y = 0;
      this.x = clamp(this.x, area.width * (1 - zoom), 0); this.y = clamp(this.y, area.height * (1 - zoom), 0);
    },
    onWheel(event) { this.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2, event.clientX, event.clientY); },
    onKey(event) {
      const key = event.key, box = this.boxes[this.selected], arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0],
                                                                       ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if ((event.ctrlKey || event.metaKey) && key.toLowerCase() === "z") this.$emit("undo", { key: this.key });
      else if (event.ctrlKey || event.metaKey || event.altKey) return;
      else if (arrows[key] && box) {
        const [x, y] = arrows[key].map((way) => way * STEP * (event.repeat ? 3 : 1));
        if (event.shiftKey) this.resize(box, [x ? "right" : "", y ? "bottom" : ""], box.right + x, box.bottom + y);
        else this.shift(box, { ...box }, x, y);
        this.save();
      }
      else if (/^[1-9]$/.test(key)) this.setClass(Number(key) - 1);
      else if (key === "Delete" || key === "Backspace") this.remove();
      else if (key === "n") this.addNew();
      else if (key === "Tab" && this.boxes.length && !(event.shiftKey ? this.selected < 0 : this.selected === this.boxes.length - 1))
        this.selected += event.shiftKey ? -1 : 1;
      else if (key === "Tab") { this.selected = -1; return; }
      else if (key === "Escape") this.selected = -1;
      else if (key === "u") this.$emit("undo", { key: this.key });
      else if (key === "b") this.$emit("background", { key: this.key, version: this.version });
      else if (key === "a") this.acceptAll();
      else if (key === "Enter" || key === "PageDown" || key === ".") this.$emit("step", { by: 1 });
      else if (key === "PageUp" || key === ",") this.$emit("step", { by: -1 });
      else if (key === "+" || key === "=") this.zoomBy(1.25);
      else if (key === "-") this.zoomBy(1 / 1.25);
      else if (key === "0") this.zoomBy(0);
      else if (this.view.suspect && { r: 1, w: 1, f: 1 }[key]) this.$emit("answer", { answer: { r: "right", w: "wrong", f: "fix" }[key] });
      else return;
      event.preventDefault();
      event.stopPropagation();
    },
  },
};
