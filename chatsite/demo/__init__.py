"""`manage.py demo`: the whole platform on one machine, under one supervisor that leaves nothing behind.

options   what was asked for, checked          folder    what is kept between runs: lock, key, passwords, rows
commands  the processes: words and environment  child     one process: start, prefix its lines, start again
guard     ends everything if the supervisor is killed      supervisor  puts them in order, waits until they answer
people    who is there on the first run
"""
