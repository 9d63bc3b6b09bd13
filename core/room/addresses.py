"""The network addresses of this machine, and the host names that a browser may ask for."""

import ipaddress
import socket

import psutil

# bridges of containers and virtual machines: unreachable from the room
VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "podman", "cni", "lxc", "zt", "utun")
LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback(address: str | None) -> bool:
    """Whether a server at this address is reachable from this machine only; no address means all of them."""
    if not address:
        return False
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address.startswith("unix://")


def own_addresses() -> list[str]:
    """Every address of this machine, without loopback."""
    found = []
    for addresses in psutil.net_if_addrs().values():
        for entry in addresses:
            if entry.family in (socket.AF_INET, socket.AF_INET6):
                address = entry.address.partition("%")[0]
                if not is_loopback(address):
                    found.append(address)
    return found


def room_address() -> str:
    """The address for others in the room: of the default route, else of the first real network, else localhost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: the system only picks the route
            chosen = str(probe.getsockname()[0])
            if not is_loopback(chosen) and chosen != "0.0.0.0":
                return chosen
        except OSError:
            pass  # no default route: a network without a router, such as a hotspot
    states = psutil.net_if_stats()
    for name, addresses in psutil.net_if_addrs().items():
        if name.startswith(VIRTUAL) or not (name in states and states[name].isup):
            continue
        for entry in addresses:
            if entry.family == socket.AF_INET and not is_loopback(entry.address):
                return entry.address
    return "localhost"


def own_names() -> frozenset[str]:
    """Names and addresses of this machine that are valid in a `Host` header, lower case."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    names = {name, short, f"{short}.local"} - {"", ".local"}
    return LOCAL_NAMES | names | {address.lower() for address in own_addresses()}


def host_of(header: str) -> str | None:
    """The name in a `Host` header, lower case and without port; None if it is invalid."""
    text = header.strip().lower()
    if text.startswith("["):
        inside, bracket, port = text[1:].partition("]")
        try:
            name = str(ipaddress.IPv6Address(inside))
        except ValueError:
            return None
        valid = bool(bracket) and (not port or (port.startswith(":") and port[1:].isdigit()))
        return name if valid else None
    name, colon, port = text.partition(":")
    if (colon and not port.isdigit()) or not name or not set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_"):
        return None
    return name.rstrip(".") or None


def is_named(name: str, allowed: tuple[str, ...]) -> bool:
    """Whether a name matches one of several such as `pets.example.com` or `*.example.com`."""
    return any(name.endswith(entry[1:]) if entry.startswith("*.") else name == entry.strip("[]") for entry in allowed)
