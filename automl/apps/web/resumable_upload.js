// Upload of files in parts, which continues after an interruption: PUT {url}/{batch}?name=&offset=&size=, body: the part.
// Events: begun {batch}, progress {name, bytes, files}, done {batch, files}, failed {detail}.
const PART = 4 * 1024 * 1024;
const RETRIES = 5;

export default {
  template: `
    <div class="resumable-upload" role="button" tabindex="0" :aria-label="label" @click="$refs.input.click()"
         @keydown.enter.prevent="$refs.input.click()" @keydown.space.prevent="$refs.input.click()"
         @dragover.prevent="over = true" @dragleave="over = false" @drop.prevent="onDrop"
         :style="{ border: '2px dashed ' + (over ? '#03a9f4' : '#8888'), borderRadius: '6px', padding: '24px',
                   textAlign: 'center', cursor: 'pointer' }">
      <div>{{ label }}</div>
      <div v-if="total" role="status">{{ Math.floor(100 * sent / total) }} % ({{ finished }} / {{ count }})</div>
      <input ref="input" type="file" multiple style="display:none" @click.stop @change="onChosen" />
    </div>
  `,
  props: { url: String, label: String, headers: Object },
  data: () => ({ over: false, sent: 0, total: 0, finished: 0, count: 0, busy: false }),
  methods: {
    onChosen(event) { this.upload([...event.target.files].map((file) => [file.webkitRelativePath || file.name, file])); event.target.value = ""; },
    async onDrop(event) {
      this.over = false;
      const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
      const files = [];
      for (const entry of entries) await this.walk(entry, files);
      this.upload(files.length ? files : [...event.dataTransfer.files].map((file) => [file.name, file]));
    },
    async walk(entry, files) {
      if (entry.name.startsWith(".")) return;
      if (entry.isFile) {
        files.push([entry.fullPath.slice(1), await new Promise((done, fail) => entry.file(done, fail))]);
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const found = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!found.length) return;
        for (const one of found) await this.walk(one, files);
      }
    },
    async batchOf(files) {
      // the same files make the same batch, so that choosing them again continues
      const text = files.map(([name, file]) => `${name} ${file.size} ${file.lastModified}`).sort().join("\n");
      let a = 0xdeadbeef, b = 0x41c6ce57;
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        a = Math.imul(a ^ code, 2654435761); b = Math.imul(b ^ code, 1597334677);
      }
      const hex = (value) => (value >>> 0).toString(16).padStart(8, "0");
      return hex(a) + hex(b) + hex(files.length);
    },
    async upload(files) {
      if (!files.length || this.busy) return;
      this.busy = true; this.sent = this.finished = 0; this.count = files.length;
      this.total = files.reduce((sum, [, file]) => sum + file.size, 0) || 1;
      try {
        const batch = await this.batchOf(files);
        this.$emit("begun", { batch });
        for (const [name, file] of files) {
          await this.send(batch, name, file);
          this.finished++;
        }
        this.$emit("done", { batch, files: files.length });
      } catch (error) {
        this.$emit("failed", { detail: String(error.message || error) });
      }
      this.busy = false; this.total = 0;
    },
    async send(batch, name, file) {
      let offset = await this.ask(batch, name), failures = 0;
      this.sent += offset;
      let whole = offset > 0 && offset >= file.size; // an empty file, as of an image without objects, is sent too
      while (!whole) {
        const query = new URLSearchParams({ name, offset, size: file.size });
        try {
          const answer = await fetch(`${this.url}/${batch}?${query}`, {
            method: "PUT", headers: { ...this.headers, "content-type": "application/octet-stream" },
            body: file.slice(offset, offset + PART),
          });
          const found = await answer.json();
          if (!answer.ok && answer.status !== 409) throw Object.assign(new Error(found.detail), { final: true });
          this.sent += found.received - offset;
          offset = found.received; failures = 0; whole = offset >= file.size;
        } catch (error) {
          if (error.final || ++failures > RETRIES) throw error;
          await new Promise((done) => setTimeout(done, 1000 * 2 ** failures));
        }
      }
    },
    async ask(batch, name) {
      const answer = await fetch(`${this.url}/${batch}?${new URLSearchParams({ name })}`, { headers: this.headers });
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.detail);
      return found.received;
    },
  },
};
