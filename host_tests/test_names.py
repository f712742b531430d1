"""Properties of the resolver's parser, against messages that dnspython makes."""

import json
import subprocess

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from conftest import ROOT
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

SCRIPT = ROOT / "host_tests/scripts/dns_parse.py"
CHECKS = [HealthCheck.too_slow]


@pytest.fixture(scope="module")
def device():
    """`device(line)`: what the resolver, in a MicroPython of its own, makes of a line."""
    process = subprocess.Popen(
        ["micropython", SCRIPT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ask(line: str):
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    yield ask
    process.stdin.close()
    process.wait(60)


LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NAME = st.lists(LABEL, min_size=1, max_size=5).map(".".join)
ADDRESS = st.integers(0, 2**32 - 1).map(lambda n: ".".join(str(b) for b in n.to_bytes(4, "big")))
TTL = st.integers(0, 2**31 - 1)


def asked(device, name, ident):
    query = bytes.fromhex(device(f"{name.encode().hex()}/{ident}"))
    return query, dns.message.from_wire(query)


def swapped(name):
    return name.swapcase()


@settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)
@given(NAME, st.integers(0, 65535))
def test_a_question_is_what_a_server_reads(device, name, ident):
    _, message = asked(device, name, ident)
    assert message.id == ident and message.flags == dns.flags.RD
    (question,) = message.question
    assert question.name.to_text(omit_final_dot=True) == name
    assert (question.rdtype, question.rdclass) == (1, 1)


@settings(max_examples=120, deadline=None, suppress_health_check=CHECKS)
@given(
    NAME,
    st.lists(NAME, max_size=5, unique=True),
    st.lists(ADDRESS, min_size=1, max_size=6, unique=True),
    st.lists(TTL, min_size=7, max_size=7),
    st.randoms(),
)
def test_addresses_are_found_through_aliases_in_any_order(
    device, name, aliases, addresses, ttls, random
):
    query, message = asked(device, name, 4711)
    response = dns.message.make_response(message)
    chain = [name] + [a for a in aliases if a != name]
    for i in range(len(chain) - 1):
        owner = swapped(chain[i]) + "."
        response.answer.append(
            dns.rrset.from_text(owner, ttls[i], "IN", "CNAME", chain[i + 1] + ".")
        )
    response.answer.append(dns.rrset.from_text(chain[-1] + ".", ttls[6], "IN", "A", *addresses))
    # What else a server may add is passed over.
    response.answer.append(dns.rrset.from_text(name + ".", 1, "IN", "TXT", '"words"'))
    random.shuffle(response.answer)
    answer = device(f"{response.to_wire().hex()} {query.hex()}")
    code, found, seconds, alias = answer["result"]
    assert (code, alias) == (0, None)
    # dnspython shuffles the addresses of one name, as servers do.
    assert len(found) == min(len(addresses), 3)
    assert set(found) <= set(addresses)
    used = [*ttls[: len(chain) - 1], ttls[6], 3600]
    assert seconds == min(used)


@settings(max_examples=60, deadline=None, suppress_health_check=CHECKS)
@given(NAME, NAME, st.sampled_from([0, 2, 3, 5]))
def test_an_alias_without_an_address_is_told(device, name, target, code):
    query, message = asked(device, name, 1)
    response = dns.message.make_response(message)
    response.set_rcode(code)
    if target != name:
        response.answer.append(dns.rrset.from_text(name + ".", 5, "IN", "CNAME", target + "."))
    answer = device(f"{response.to_wire().hex()} {query.hex()}")
    assert answer["result"][:2] == [code, []]
    assert answer["result"][3] == (target if target != name else None)


@settings(max_examples=300, deadline=None, suppress_health_check=CHECKS)
@given(NAME, st.lists(ADDRESS, min_size=1, max_size=4), st.data())
@example("a", ["1.2.3.4"], None)
def test_damage_is_refused_or_harmless(device, name, addresses, data):
    """A changed, cut or lengthened answer ends in a verdict, never in another error, and never
    takes long: each is bounded by the fixture's pipe."""
    query, message = asked(device, name, 99)
    response = dns.message.make_response(message)
    response.answer.append(dns.rrset.from_text(name + ".", 60, "IN", "A", *addresses))
    wire = bytearray(response.to_wire())
    if data:
        for _ in range(data.draw(st.integers(1, 4))):
            wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
        wire = wire[: data.draw(st.integers(0, len(wire)))] + data.draw(st.binary(max_size=30))
    answer = device(f"{bytes(wire).hex() or '00'} {query.hex()}")
    assert "error" in answer or answer["result"] is None or len(answer["result"]) == 4


@settings(max_examples=150, deadline=None, suppress_health_check=CHECKS)
@given(NAME, st.binary(max_size=200))
def test_garbage_behind_a_true_question_ends(device, name, garbage):
    query, _ = asked(device, name, 3)
    wire = query[:2] + b"\x81\x80\0\x01\0\x10\0\0\0\0" + query[12:] + garbage
    answer = device(f"{wire.hex()} {query.hex()}")
    assert "error" in answer or answer["result"][0] in range(16)
