from django.http import HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.utils.html import format_html

FORM = """<form method="post">
<input type="hidden" name="csrfmiddlewaretoken" value="{}">
<label>Your name <input name="name"></label> <button>Greet me</button>
</form>
"""


def index(request):
    return HttpResponse("<h1>myproject</h1><p>It works.</p>\n")


def greet(request):
    if request.method == "POST":
        return HttpResponse(format_html("<p>Hello, {}!</p>\n", request.POST["name"]))
    return HttpResponse(format_html(FORM, get_token(request)))


def count(request):
    return StreamingHttpResponse((f"{number}\n" for number in range(1, 101)), content_type="text/plain")
