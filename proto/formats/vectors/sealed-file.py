"""Writes sealed-file.json: test vectors of docs/sealed-file-format.md, from its text alone.

Needs Python 3 with `cryptography`:  python3 sealed-file.py > sealed-file.json
"""

import hashlib
import json

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = bytes.fromhex("894b485345414c0a")
DATA_KEY = bytes(range(32))
SALT = bytes(range(100, 132))
BLOB = b"an encrypted data key"
CONTEXT = [("project", "keyhold"), ("\uff5e", "3 bytes"), ("\U0001f511", "4 bytes")]


def u16(number):
    return number.to_bytes(2, "big")


def part(text):
    data = text if isinstance(text, bytes) else text.encode()
    return u16(len(data)) + data


def encode_context(pairs):
    return u16(len(pairs)) + b"".join(part(key) + part(value) for key, value in pairs)


def encode_header(context=CONTEXT, version=1, suite=1, exponent=10, blob=BLOB, salt=SALT, extra_length=0, raw_context=None):
    body = salt + (encode_context(context) if raw_context is None else raw_context) + blob
    return MAGIC + bytes([version, suite, exponent]) + u16(13 + len(body) + extra_length) + body


def derive(header, data_key=DATA_KEY, salt=SALT):
    info = b"keyhold sealed file, version 1" + hashlib.sha256(header).digest()
    okm = HKDF(algorithm=SHA256(), length=64, salt=salt, info=info).derive(data_key)
    return okm[:32], okm[32:]


def frame(key, number, last, plaintext):
    nonce = number.to_bytes(11, "big") + bytes([1 if last else 0])
    return AESGCM(key).encrypt(nonce, plaintext, b"")


def cut(plaintext, size):
    return [plaintext[i : i + size] for i in range(0, len(plaintext), size)] or [b""]


def seal(plaintext, size=1024, **header_fields):
    header = encode_header(**header_fields)
    key, commitment = derive(header)
    parts = cut(plaintext, size)
    return header + commitment, [frame(key, i, i == len(parts) - 1, p) for i, p in enumerate(parts)]


def pattern(length):
    return bytes(i * 7 % 251 for i in range(length))


cases = []


def good(name, plaintext, **fields):
    head, frames = seal(plaintext, **fields)
    cases.append(
        {"name": name, "dataKey": DATA_KEY.hex(), "sealed": (head + b"".join(frames)).hex(), "plaintext": plaintext.hex()}
    )


def bad(name, sealed, error="InvalidSealedFile"):
    cases.append({"name": name, "dataKey": DATA_KEY.hex(), "sealed": sealed.hex(), "error": error})


for length in (0, 1, 1023, 1024, 1025, 2048, 3000):
    good(f"{length} bytes in frames of 1024", pattern(length))
good("an empty encryption context", pattern(10), context=[])
good("empty keys and values", pattern(10), context=[("", ""), ("a", "")])
good("ordinary keys with special names", pattern(10), context=[("__proto__", "x"), ("constructor", "y")])
good("frames of 64 KiB", pattern(100), exponent=16)

head, frames = seal(pattern(3000))
header = encode_header()
key, commitment = derive(header)
bad("an empty file", b"", "NotASealedFile")
bad("text", b"this is not a sealed file at all", "NotASealedFile")
bad("format version 2", encode_header(version=2), "UnsupportedFormat")
bad("suite 2", encode_header(suite=2), "UnsupportedFormat")
bad("only the magic", MAGIC)
bad("no frame", head)
bad("the last frame left out", head + b"".join(frames[:2]))
bad("a frame left out", head + frames[0] + frames[2])
bad("frames exchanged", head + frames[1] + frames[0] + frames[2])
bad("a frame doubled", head + frames[0] + frames[0] + frames[1] + frames[2])
bad("the last frame doubled", head + b"".join(frames) + frames[2])
bad("a byte after the last frame", head + b"".join(frames) + b"\0")
bad("a byte short", (head + b"".join(frames))[:-1])
bad("an empty last frame after a full one", head + frame(key, 0, False, pattern(1024)) + frame(key, 1, True, b""))
bad("a last flag on a frame that is not last", head + frame(key, 0, True, pattern(1024)) + frame(key, 1, True, b"x"))
bad("no last flag on the last frame", head + frame(key, 0, False, b"x"))
bad("numbers that begin at 1", head + frame(key, 1, True, b"x"))
bad("a short frame that is not last", head + frame(key, 0, False, b"x") + frame(key, 1, True, b"y"))
bad("encrypted with the data key itself", head + frame(DATA_KEY, 0, True, b"x"))
bad("a frame of a file with another salt", head + seal(pattern(3000), salt=bytes(32))[1][0] + b"".join(frames[1:]))
bad("another commitment", header + bytes(32) + b"".join(frames))


def bad_header(name, **fields):
    # Everything but the header is right, so only a strict reader refuses it.
    changed = encode_header(**fields)
    frame_key, right_commitment = derive(changed)
    bad(name, changed + right_commitment + frame(frame_key, 0, True, b"x"))


bad_header("context keys out of order", context=[("b", "1"), ("a", "2")])
bad_header("context keys in the order of UTF-16 units", context=[CONTEXT[2], CONTEXT[1]])
bad_header("a context key twice", context=[("a", "1"), ("a", "2")])
bad_header("a context that is not UTF-8", context=[("a", b"\xff")])
bad_header("a context with an encoded surrogate", context=[("a", b"\xed\xa0\x80")])
bad_header("a context longer than 8192 bytes", context=[("a", "x" * 8192)])
bad_header("more context pairs promised than there are", raw_context=u16(9) + part("a") + part("1"))
bad_header("frames of 512 bytes", exponent=9)
bad_header("frames of 2 MiB", exponent=21)
bad_header("no encrypted data key", blob=b"")
bad_header("an encrypted data key of 6145 bytes", blob=b"x" * 6145)
bad_header("a header length that is too large", extra_length=1)
bad_header("a header length that is too small", extra_length=-1)

print(json.dumps({"format": 1, "cases": cases}, indent=1))
