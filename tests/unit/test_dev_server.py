"""The development server's client. The server itself is tested in tests/e2e."""

import http.server
import threading
import urllib.request

import pytest

from pack.tools.server import Server


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"path": "%s"}' % self.path.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running.server_port
        running.shutdown()


def test_it_is_asked_directly_where_a_proxy_is_set(tmp_path, port, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for exception in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exception, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)  # urlopen's, made once
    server = Server(tmp_path / "python", tmp_path, None, base=tmp_path)
    server.url = f"http://127.0.0.1:{port}"
    assert server.get("/queue") == {"path": "/queue"}
