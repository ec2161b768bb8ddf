"""WSGI entry point: `application` is Django's own name for it, `app` the one that the guide uses."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "myproject.settings")

application = get_wsgi_application()
app = application
