"""A page with the ten dearest items in stock, read through the ORM from SQLite.

`python django_page.py` makes the database; its file is named by the variable BENCH_DATABASE, for both.
"""

import os
from decimal import Decimal

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection, models
from django.shortcuts import render
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_DATABASE"],
            "CONN_MAX_AGE": None,
        }
    },
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for the benchmark",
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "DIRS": [os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")],
        }
    ],
)
django.setup()


class Item(models.Model):
    name = models.CharField(max_length=40)
    price = models.DecimalField(max_digits=8, decimal_places=1)
    is_in_stock = models.BooleanField(db_index=True)

    class Meta:
        app_label = "bench"


def dearest(request):
    items = Item.objects.filter(is_in_stock=True).order_by("-price")[:10]
    return render(request, "dearest.html", {"items": items})


urlpatterns = [path("dearest", dearest)]
app = get_wsgi_application()


def make_database():
    with connection.schema_editor() as editor:
        editor.create_model(Item)
    Item.objects.bulk_create(
        Item(name=f"Item & thing {number}", price=Decimal(number) / 10, is_in_stock=number % 2 == 0)
        for number in range(1, 1001)
    )


if __name__ == "__main__":
    make_database()
