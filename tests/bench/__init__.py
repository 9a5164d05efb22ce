"""`manage.py bench`: the figures the platform must reach, each beside a baseline measured in the same run.

It measures real processes (`manage.py demo`: Valkey, uvicorn, Celery, SQLite) with authenticated sockets, acks and
heartbeats; every viewer's text is compared with the end's checksum. Processor time is read from /proc, so it holds on a
busy machine where wall-clock figures do not.

suite      the list of benchmarks, and running them     report     figures, goals, printing
site       the running platform and its people          load       the load client, a process of its own
appender   publishes without a worker (fan-out only)     probe      stamps inside the worker, for the delay's parts
baselines  what others do: import nothing of ours        n_*        the benchmarks
"""
