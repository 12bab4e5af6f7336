"""In headless Chromium: what the element that uploads files sends of files of every size."""

from importlib import resources
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.test_browser import CHROMIUM, FLAGS, STEP_MS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt-get install chromium)"),
]
SEND = """async ([code, sizes]) => {
  const element = (await import(URL.createObjectURL(new Blob([code], { type: "text/javascript" })))).default;
  const asked = [], held = { "done.txt": 3 };
  let broken = 1;
  window.fetch = async (where, { method } = {}) => {
    const query = new URL(where, "http://host/").searchParams, name = query.get("name");
    if (method === "PUT") {
      asked.push([name, Number(query.get("size"))]);
      if (name === "again.txt" && broken-- > 0) throw new Error("connection lost");
      held[name] = Number(query.get("size"));
    }
    return new Response(JSON.stringify({ received: held[name] ?? 0 }));
  };
  for (const [name, size] of sizes) {
    const own = { url: "/uploads", headers: {}, sent: 0, ask: element.methods.ask };
    await element.methods.send.call(own, "0123456789abcdef", name, new File([new Uint8Array(size)], name));
  }
  return asked;
}"""


def test_an_empty_file_is_sent_as_any_other() -> None:
    code = resources.files("automl.apps.web").joinpath("resumable_upload.js").read_text(encoding="utf-8")
    sizes: list[Any] = [["empty.txt", 0], ["again.txt", 0], ["full.txt", 5], ["done.txt", 3]]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=STEP_MS)
        asked = browser.new_page().evaluate(SEND, [code, sizes])
        browser.close()
    assert asked == [["empty.txt", 0], ["again.txt", 0], ["again.txt", 0], ["full.txt", 5]]
