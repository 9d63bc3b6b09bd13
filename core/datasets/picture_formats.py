FOREIGN_SUFFIXES = {".heic", ".heif", ".jxl", ".ppm", ".pgm", ".jp2"}
HEAD_BYTES = 64


def looks_like_picture(head: bytes) -> bool:
    return head[:3] == b"\xff\xd8\xff" or head[:4] == b"\x89PNG" or head[4:8] == b"ftyp" or head[:3] == b"GIF"
