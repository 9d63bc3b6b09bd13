"""The address of the room, as the server was configured."""

from streamlit import config

from core.room.addresses import is_loopback, room_address


def room_url() -> str:
    """The address that attendees open: the name that the operator gave, or this machine's address."""
    if config.is_manually_set("browser.serverAddress"):
        return url(str(config.get_option("browser.serverAddress")))
    listens_to_others = not is_loopback(config.get_option("server.address"))
    return url(room_address() if listens_to_others else "localhost")


def url(host: str) -> str:
    """The app's address under a name."""
    scheme = "https" if config.get_option("server.sslCertFile") else "http"
    base = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return f"{scheme}://{host}:{config.get_option('server.port')}" + (f"/{base}" if base else "")
