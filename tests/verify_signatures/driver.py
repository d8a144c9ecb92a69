# Reads "secret header body now" a line, hexadecimal but for the last, and says of each whether it is signed.
import sys

for line in sys.stdin:
    secret, header, body, at = line.split(" ")
    text, key = bytes.fromhex(header).decode(), bytes.fromhex(secret).decode()
    print(is_signed(text, bytes.fromhex(body), key, 300, int(at)))  # noqa: F821
