"""The chat from a terminal: `python -m chatsite.client`, or the installed command `chatsite`. Needs no Django.

`answer_stream.py` is for copying: it follows one answer over lost connections and depends on nothing but Python.
"""
