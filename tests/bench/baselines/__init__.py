"""What others do, measured beside us on the same machine in the same minute. Nothing in here imports what it is
compared with: no module of the engine, of the chat or of the project.

bare_sdk        a process that only iterates the vendor's SDK
stock_site      the Channels documentation's consumer: every socket joins the group
stock_publish   `group_send` per event
"""
