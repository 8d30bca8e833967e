"""A Django site: its own admin, a form that takes a file, and files that are read in part.

    python tests/e2e/django_site.py PORT FOLDER [PREFIX]

One who is called `ann`, with the password `secret-of-ann`, may change everything. PREFIX is where its pages are seen,
as a deployment would set it.
"""

import hashlib
import re
import sys
from pathlib import Path

import django
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.staticfiles.views import serve
from django.core.management import call_command
from django.core.servers.basehttp import run
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template import RequestContext, Template
from django.urls import path, re_path

PORT, FOLDER = int(sys.argv[1]), Path(sys.argv[2])
PREFIX = sys.argv[3] if len(sys.argv) > 3 else None

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.gzip.GZipMiddleware",
]
TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages",
        ]
    },
}

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1"],
    SECRET_KEY="a key of a test alone",
    ROOT_URLCONF=__name__,
    FORCE_SCRIPT_NAME=PREFIX,
    INSTALLED_APPS=[
        f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")
    ],
    MIDDLEWARE=MIDDLEWARE,
    TEMPLATES=[TEMPLATES],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "site.sqlite3"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    # Quick, where a login is not what is tested.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    STATIC_URL="static/",
    FILE_UPLOAD_TEMP_DIR=FOLDER,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    USE_TZ=True,
)
django.setup()

PAGE = Template("""<!doctype html><title>Files</title><link rel="icon" href="data:,">
<form method="post" enctype="multipart/form-data">{% csrf_token %}{{ form }}<button>Send</button></form>
<ul>{% for file in files %}<li>{{ file }}</li>{% endfor %}</ul>""")


class Upload(forms.Form):
    """What one sends."""

    title = forms.CharField()
    file = forms.FileField()


@login_required(login_url="admin:login")
def files(request: HttpRequest) -> HttpResponse:
    """Show the files there are, and take another."""
    form = Upload(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        sent, digest = form.cleaned_data["file"], hashlib.sha256()
        with (FOLDER / "kept" / Path(sent.name).name).open("wb") as kept:
            for chunk in sent.chunks():
                digest.update(chunk)
                kept.write(chunk)
        with (FOLDER / "kept.txt").open("a") as noted:
            noted.write(f"{form.cleaned_data['title']}: {sent.size} bytes, {digest.hexdigest()}\n")
        return redirect("files")
    noted = (FOLDER / "kept.txt").read_text().splitlines()
    return HttpResponse(PAGE.render(RequestContext(request, {"form": form, "files": noted})))


def part(request: HttpRequest, name: str) -> HttpResponse:
    """Give a file, or the part of it that is asked for."""
    kept = FOLDER / "kept" / Path(name).name
    wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
    if wanted is None:
        return FileResponse(kept.open("rb"), headers={"Accept-Ranges": "bytes"})
    first, last, size = int(wanted[1]), int(wanted[2]), kept.stat().st_size
    if last >= size:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    with kept.open("rb") as file:
        file.seek(first)
        body = file.read(last - first + 1)
    return HttpResponse(body, status=206, headers={"Content-Range": f"bytes {first}-{last}/{size}"})


def seen(request: HttpRequest) -> JsonResponse:
    """Tell what the application knows of whoever asks."""
    told = {key: value for key, value in request.META.items() if key.startswith(("HTTP_X_FORWARDED", "HTTP_FORWARDED"))}
    address = request.build_absolute_uri()
    return JsonResponse(
        {"address": address, "is_secure": request.is_secure(), "peer": request.META["REMOTE_ADDR"], **told}
    )


urlpatterns = [
    path("admin/", admin.site.urls),
    path("files/", files, name="files"),
    path("files/<str:name>", part),
    path("seen", seen),
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
]


def main() -> None:
    """Make the site, and serve it until the end."""
    (FOLDER / "kept").mkdir()
    (FOLDER / "kept.txt").touch()
    call_command("migrate", verbosity=0)
    get_user_model().objects.create_superuser("ann", password="secret-of-ann")
    run("127.0.0.1", PORT, get_wsgi_application(), threading=True)


if __name__ == "__main__":
    main()
