"""Pages before a session: sign-in, in both languages since no choice is known yet, and the way on after it."""

from html import escape
from typing import Final

STYLE: Final = (
    "body{font:16px/1.6 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1rem;color-scheme:light dark}"
    "input,button{font:inherit;padding:.4rem .7rem}"
)
HEAD: Final = (
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
    f"<title>automl</title><style>{STYLE}</style>"
)


def sign_in_page(*, with_password: bool, wrong: bool = False) -> str:
    """Return the page that asks for the link, or for the password if there is one."""
    refused = (
        "<p role=alert>This link was used, or link or password is wrong; after five wrong passwords, wait a minute. "
        "<span lang=zh>链接已用过，或链接、密码有误；连续五次密码错误后请等待一分钟。</span></p>"
    )
    form = (
        "<form method=post action=/login><label>Password <span lang=zh>密码</span> "
        "<input type=password name=password autofocus autocomplete=current-password></label> "
        "<button>Sign in <span lang=zh>登录</span></button></form>"
    )
    return (
        f"{HEAD}<h1>automl</h1>{refused if wrong else ''}"
        "<p>Open the link that <code>automl web</code> printed last.</p>"
        f"<p lang=zh>请打开 <code>automl web</code> 最后打印的链接。</p>{form if with_password else ''}"
    )


def forward_page(path: str) -> str:
    """Return a page that leads to a path of this server."""
    where = escape(path, quote=True)
    return f'{HEAD}<meta http-equiv=refresh content="0;url={where}"><p><a href="{where}">automl</a></p>'
