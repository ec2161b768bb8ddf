"""Settings of the project: no database, sessions or static files."""

import os

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "for-this-example-only")
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "myproject.urls"
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
WSGI_APPLICATION = "myproject.wsgi.application"
USE_TZ = True
