from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Final

from chatsite.client import commands

EPILOG: Final = (
    "Begin with `chatsite login --site https://chat.example.org` (without --site: http://127.0.0.1:8000) and a key "
    "made under 'API keys' in the site's menu. CHATSITE_URL and CHATSITE_KEY in the environment take its place."
)


def parser() -> ArgumentParser:
    common = ArgumentParser(add_help=False)
    common.add_argument("--site", help="address of the site (or CHATSITE_URL; default: that of the last login)")
    common.add_argument("--json", action="store_true", help="one JSON object per line")
    whole = ArgumentParser(prog="chatsite", description="Talk to the models of a chat site.", epilog=EPILOG)
    actions = whole.add_subparsers(required=True, metavar="command")

    def action(name: str, about: str) -> ArgumentParser:
        made = actions.add_parser(name, help=about, description=about, parents=[common])
        made.set_defaults(command=getattr(commands, name))
        return made

    action("login", "keep an API key; asks for it").add_argument("--key", help="visible to others while it runs")
    action("logout", "forget the key")
    action("models", "what can be asked")
    action("conversations", "list them, the newest first")
    send = action("send", "ask, and watch the answer")
    send.add_argument("text", nargs="*", help="the question; without one it is read from standard input")
    send.add_argument("-c", "--conversation", help="in this one; without it, in a new one")
    send.add_argument("-m", "--model")
    send.add_argument("--no-watch", action="store_true", help="print the id of the stream and leave")
    watch = action("watch", "read an answer, also after it was left")
    watch.add_argument("stream")
    watch.add_argument("--after", help="only what came after this cursor")
    action("stop", "end an answer; its text so far stays").add_argument("stream")
    return whole


def main() -> int:
    return commands.run(parser().parse_args())


if __name__ == "__main__":
    sys.exit(main())
