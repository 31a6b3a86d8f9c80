"""The transports: the only rooms of ``sip`` that touch sockets and the event loop."""
