"""Settings, all from the environment (12-factor). `manage.py demo` sets them for a laptop; docker-compose.yml for more.

Order as in Django's documentation, then what belongs to Channels, Celery and the engine.
"""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF

from chatsite.admin_look import UNFOLD as UNFOLD
from chatsite.log_format import quiet_loggers
from chatsite.offers import offered_auto, offered_models

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.bool("DEBUG", default=False)
# Without a key of its own a process still starts (checks, migrations, the demo's parent); `check --deploy` refuses it.
SECRET_KEY_IS_SET = bool(env.str("SECRET_KEY", default=""))
SECRET_KEY = env.str("SECRET_KEY", default="") or secrets.token_urlsafe(50)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
#: Full origins (scheme, host, port) from which pages may open a WebSocket.
ALLOWED_ORIGINS = env.list("ALLOWED_ORIGINS", default=["http://localhost:8000", "http://127.0.0.1:8000"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    "daphne",  # first: its runserver speaks WebSocket
    "servestatic.runserver_nostatic",
    "unfold",  # before the admin, whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "channels",
    "allauth",
    "allauth.account",
    "csp",
    "chatsite",
    "chat",
    "chat.api",
    "ninja",  # the pages of its documentation come from files of its own
    "streaming",
]

MIDDLEWARE = [
    "chat.api.middleware.ApiMiddleware",
    "chatsite.bodies.refuse_bodies",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "chatsite.admin_policy.admin_policy",  # after (inside) the policy that it widens
]

ROOT_URLCONF = "chatsite.urls"
ASGI_APPLICATION = "chatsite.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "chat.preferences.theme",
            ]
        },
    }
]

DATABASES = {"default": env.db("DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'chatsite.sqlite3'}")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # WAL: readers never wait for the writer. IMMEDIATE: a transaction that will write takes its lock first instead of
    # failing half-way. NORMAL: safe against crashes of processes; only a power cut may cost the newest commits. What is
    # committed moves into the file beside the commits (streaming/write_ahead.py), in one of them only after 80 MB.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 5,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=20000;",
    }
else:
    DATABASES["default"]["OPTIONS"] = {"pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", default=8)}}

AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "chat.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

LANGUAGE_CODE = "en"
#: Those with a complete catalogue (chat/locale). The browser's wish counts, or a cookie: the account menu sets it.
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "chat" / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_AGE = 31_536_000
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True

STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=BASE_DIR / "staticfiles")
STATICFILES_DIRS: list[Path] = []
# Without collectstatic (demo, tests) files come straight from the apps.
SERVESTATIC_USE_FINDERS = env.bool("SERVE_STATIC_FROM_APPS", default=DEBUG)
SERVESTATIC_AUTOREFRESH = DEBUG

# Behind TLS: set SECURE=1.
SECURE = env.bool("SECURE", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if SECURE else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE
if SECURE:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SAMESITE = "Lax"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}

# Of one request, whatever it is: `chatsite.bodies` reads no more.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# "line" for people, "json" for machines.
LOG_FORMAT = env.str("LOG_FORMAT", default="line")
_secrets = [
    SECRET_KEY,
    *(env.str(name, default="") for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "METRICS_TOKEN")),
]
_secrets += [
    urlsplit(env.str(name, default="")).password or "" for name in ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "chatsite.log_format.Lines", "secrets": _secrets},
        "json": {"()": "chatsite.log_format.JsonLines", "secrets": _secrets},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json" if LOG_FORMAT == "json" else "line"}},
    "loggers": quiet_loggers(),
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}

# Who may read /metrics: whoever knows this; if it is empty, whoever comes from this machine itself.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
# The publish/subscribe layer: the core layer loses idle sockets after 5 s with redis-py 8 and forgets its groups when
# Redis restarts. The timeout must exceed any pause we want to survive.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        # In protocol 3 redis-py writes out each message for a log line that nobody reads.
        "CONFIG": {"hosts": [{"address": REDIS_URL, "socket_timeout": 15, "socket_connect_timeout": 2,
                              "health_check_interval": 5, "protocol": 2}]},
    }
}  # fmt: skip

# A Celery message is only a wake-up: acknowledged early, lost or doubled without harm, never the crash detector.
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_TASK_ACKS_LATE = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "generate"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_DISABLE_PREFETCH = True
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 0
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_BROKER_TRANSPORT_OPTIONS = {
    # No bookkeeping of what is being worked on: it costs two transactions and a millisecond before a question runs, and
    # a wake-up that is lost with its worker is sent again by us, in seconds instead of an hour.
    "ack_emulation": False,
    "socket_timeout": 30,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 25,
    # Who sends must learn at once that the queue is away: kombu would try for 4 to 8 s more, beyond the outage's end.
    "max_retries": 0,
}

# The model that finds titles for conversations; "": the one that answered, "off": titles stay the first words.
TITLE_MODEL = env.str("TITLE_MODEL", default=env.str("AUTO_SMALL", default=""))
# The one that summarises what no longer fits a prompt; "": the one that answered, "off": the oldest turns are left out.
MEMORY_MODEL = env.str("MEMORY_MODEL", default=env.str("AUTO_SMALL", default=""))

STREAMING = {
    "redis_url": REDIS_URL,
    "drain_s": env.float("DRAIN_SECONDS", default=20.0),
    "models": offered_models(env),
    "auto": offered_auto(env),
    "user_tokens_per_day": env.int("USER_TOKENS_PER_DAY", default=0),
    "user_tokens_per_month": env.int("USER_TOKENS_PER_MONTH", default=0),
    "user_cost_per_day": env.float("USER_COST_PER_DAY", default=0.0),
    "user_cost_per_month": env.float("USER_COST_PER_MONTH", default=0.0),
    "site_tokens_per_day": env.int("SITE_TOKENS_PER_DAY", default=0),
    "site_tokens_per_month": env.int("SITE_TOKENS_PER_MONTH", default=0),
    "site_cost_per_day": env.float("SITE_COST_PER_DAY", default=0.0),
    "site_cost_per_month": env.float("SITE_COST_PER_MONTH", default=0.0),
    "worker_probes": env.str("WORKER_PROBES", default=""),
    "prompt_builder": "chat.api.hooks.build_prompt",
    "on_ended": "chat.api.hooks.generation_ended",
}

API = {"requests_per_minute": env.int("API_REQUESTS_PER_MINUTE", default=120)}
