"""Django's settings, all from the environment (`config.env`); the same file serves every installation."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from csp import constants as csp

from config.env import EnvironmentInvalid, environment_read
from config.mail import TIMEOUT_SECONDS

try:
    ENVIRONMENT = environment_read(os.environ)
except EnvironmentInvalid as mistake:
    sys.exit(f"savepoint: {mistake}")

BASE_DIR = Path(__file__).resolve().parent.parent
SAVEPOINT_HOME = ENVIRONMENT.home
SAVEPOINT_STORAGE_ROOTS = ENVIRONMENT.storage_roots
SAVEPOINT_URL = ENVIRONMENT.url
SAVEPOINT_TRUSTED_PROXIES = ENVIRONMENT.trusted_proxies
SAVEPOINT_METRICS_TOKEN, SAVEPOINT_METRICS_NETWORKS = ENVIRONMENT.metrics_token, ENVIRONMENT.metrics_networks
SAVEPOINT_HEARTBEAT_URL = ENVIRONMENT.heartbeat_url
SAVEPOINT_WEBHOOK_ORIGINS, SAVEPOINT_STAFF_CHANNELS = ENVIRONMENT.webhook_origins, ENVIRONMENT.staff_channels
HTTPS = SAVEPOINT_URL.startswith("https://")

SECRET_KEY = ENVIRONMENT.secret_key
DEBUG = False
ALLOWED_HOSTS = [urlsplit(SAVEPOINT_URL).hostname or "", ENVIRONMENT.host, "127.0.0.1", "localhost", "[::1]"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "config.apps.StaffConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "csp",
    "django_htmx",
    "django_q",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "guardian",
    "rest_framework",
    "common",
    "accounts",
    "orders",
    "provisions",
    "notices",
    "operations",
    "vault",
    "backups",
    "schedules",
    "config.apps.SavepointConfig",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.RetryMiddleware",
    "config.middleware.EmptyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages and polls shrink to a tenth; archives see to it that they are left as they are.
    "django.middleware.gzip.GZipMiddleware",
    "config.middleware.BodyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.web.middleware.PrivateMiddleware",
    "accounts.web.middleware.PreferencesMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.web.middleware.SeenMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.middleware.RefusalMiddleware",
]

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
            ],
        },
    },
]

DATABASES = {"default": ENVIRONMENT.database}

# Throttles count in a cache that every process shares. django-q2 writes its own statistics twice a second: they stay in
# the process, the product's liveness is its own rows.
CACHES = {
    "default": (
        {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": ENVIRONMENT.redis_url}
        if ENVIRONMENT.redis_url
        else {
            "BACKEND": "common.database_cache.DatabaseCache",
            "LOCATION": "savepoint_cache",
            # Culling would drop throttle counts.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    ),
    "django_q": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "django_q"},
    # A cache for data that processes need not share.
    "process": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "process",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    },
}

DAY = 24 * 3600
SAVEPOINT_WORKERS = ENVIRONMENT.workers
SAVEPOINT_TRIAL_MIB = ENVIRONMENT.trial_mib
SAVEPOINT_OPERATIONS_MAX = ENVIRONMENT.operations_max
SAVEPOINT_OPERATIONS_PER_HOST = ENVIRONMENT.operations_per_host
SAVEPOINT_OPERATIONS_PER_TARGET = ENVIRONMENT.operations_per_target
Q_CLUSTER = {
    "name": "savepoint",
    **ENVIRONMENT.queue,
    "workers": SAVEPOINT_WORKERS,
    # A task is delivered once; claims, leases and attempts live in our own rows. `retry` counts from the moment a task
    # is taken off the queue, so it must exceed the longest operation.
    "timeout": DAY,
    "retry": DAY + 600,
    "max_attempts": 1,
    "ack_failures": True,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.1,
    # Never: a recycled worker looks like one that died, and their memory is bounded by other means.
    "recycle": 2**31,
    "save_limit": -1,
    "scheduler": False,
    "catch_up": False,
    "cache": "django_q",
    "log_level": "WARNING",
}

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "accounts.web.sign_in_backend.SignInBackend",
    "guardian.backends.ObjectPermissionBackend",
]
ANONYMOUS_USER_NAME = None
GUARDIAN_MONKEY_PATCH_USER = False
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name", "email")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
PASSWORD_RESET_TIMEOUT = DAY

ACCOUNT_ADAPTER = "accounts.web.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
# The address belongs to the host's billing and is kept on the user alone. allauth's own tokens and its check before a
# second factor would keep copies of it, and an old copy would still get the mail that sets a password.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "django.contrib.auth.tokens.PasswordResetTokenGenerator"  # noqa: S105  # a class
MFA_ALLOW_UNVERIFIED_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Savepoint] "
ACCOUNT_REAUTHENTICATION_TIMEOUT = 600
ACCOUNT_RATE_LIMITS = {
    "login": "30/m/ip",
    # By address, and by account: five guesses in five minutes. A right password is refused then as well.
    "login_failed": "10/m/ip,5/5m/key",
    "reset_password": "20/m/ip,5/h/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "reauthenticate": "10/m/user",
}
ACCOUNT_FORMS = {
    "login": "accounts.web.sign_in_forms.LoginForm",
    "reauthenticate": "accounts.web.sign_in_forms.ReauthenticateForm",
    "change_password": "accounts.web.sign_in_forms.ChangePasswordForm",
    "reset_password": "accounts.web.sign_in_forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.web.sign_in_forms.ResetPasswordKeyForm",
}
MFA_ADAPTER = "accounts.web.adapters.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Savepoint"
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "authenticate": "accounts.web.sign_in_forms.AuthenticateForm",
    "reauthenticate": "accounts.web.sign_in_forms.ReauthenticateByCodeForm",
    "activate_totp": "accounts.web.sign_in_forms.ActivateTOTPForm",
}

DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.mail_from
EMAIL_TIMEOUT = TIMEOUT_SECONDS
if ENVIRONMENT.mail_server is None:
    EMAIL_BACKEND = "config.mail_folder.FolderBackend"
    EMAIL_FILE_PATH = str(SAVEPOINT_HOME / "mail")
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = ENVIRONMENT.mail_server.host, ENVIRONMENT.mail_server.port
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = ENVIRONMENT.mail_server.user, ENVIRONMENT.mail_server.password
    EMAIL_USE_SSL = ENVIRONMENT.mail_server.tls_at_once
    EMAIL_USE_TLS = not EMAIL_USE_SSL

SESSION_ENGINE = "accounts.web.session_store"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_NAME = "__Host-savepoint" if HTTPS else "savepoint"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
CSRF_TRUSTED_ORIGINS = [SAVEPOINT_URL]
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_HSTS_SECONDS = 365 * DAY if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(livez|readyz|healthz|metrics)$"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SAVEPOINT_TRUSTED_PROXIES else None
X_FRAME_OPTIONS = "DENY"
# Nothing inline, nothing from elsewhere. `data:` is for images alone: QR codes, and the icons of Swagger and the admin.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "img-src": [csp.SELF, "data:"],
        "font-src": [csp.SELF],
        "connect-src": [csp.SELF],
        "form-action": [csp.SELF],
        "base-uri": [csp.NONE],
        "frame-ancestors": [csp.NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20

LANGUAGE_CODE = "en"
LANGUAGES = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("pt-br", "Português (Brasil)"),
    ("pl", "Polski"),
    ("ja", "日本語"),
    ("zh-hans", "简体中文"),
    ("ar", "العربية"),
]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_I18N = USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api.authentication.TokenAuthentication",
        "accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["common.api.permissions.ScopeAllows"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_THROTTLE_CLASSES": ["common.api.throttling.ReadThrottle", "common.api.throttling.WriteThrottle"],
    "DEFAULT_THROTTLE_RATES": {"read": "1200/min", "write": "120/min"},
    "DEFAULT_PAGINATION_CLASS": "common.api.pagination.NewestFirst",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "common.api.problems.exception_handler",
    "NUM_PROXIES": SAVEPOINT_TRUSTED_PROXIES,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Savepoint",
    "DESCRIPTION": "Backups of game servers: create, watch, download, restore, delete.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "PATH_CONVERTER_OVERRIDES": {"id": {"type": "string", "format": "uuid"}},
    # Fields of other words are called "kind" and "state" too.
    "ENUM_NAME_OVERRIDES": {
        "KindEnum": "operations.kinds.kind_choices",
        "OperationStateEnum": "operations.models.OperationState",
        "RunStateEnum": "schedules.models.RunState",
        "DeliveryStateEnum": "notices.models.DeliveryState",
    },
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "filters": {"dependencies": {"()": "common.dependencies.DependencyFilter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["dependencies"]}},
    "root": {"handlers": ["stderr"], "level": ENVIRONMENT.log_level},
    "loggers": {
        # Its three lines for each task repeat our own lines about the operation.
        "django-q": {"level": "WARNING"},
        # Addresses of staff channels hold tokens: the library logs them whole, and urllib3 their paths.
        "apprise": {"level": "CRITICAL"},
        "urllib3.connectionpool": {"level": "INFO"},
    },
}
