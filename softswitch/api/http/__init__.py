"""The API over HTTP: ``create_app`` makes it, ``server.WebServer`` serves it, a host program may mount it."""
