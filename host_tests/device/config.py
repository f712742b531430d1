"""Configuration and media types: what is wrong is named."""

from _support import folder, raises

from uploader import layout, media
from uploader.config import check, load
from uploader.errors import ConfigError, MediaTypeError
from uploader.settings import redact


def good():
    path = folder() + "/root.der"
    with open(path, "wb") as f:
        f.write(b"\x30\x82\x01\x00")
    return {
        "api_url": "https://api.example/v1/",
        "device_token": "dtok_secret",
        "storage": "flash",
        "roots": [path],
    }


def test_a_good_configuration_gets_its_defaults():
    c = check(good(), "/base/")
    assert c.api_url == "https://api.example/v1"
    assert (c.max_connections, c.chunk_bytes, c.allow_insecure) == (2, 4096, False)
    assert c.storage == "/base/flash"
    assert "dtok" not in repr(c)


def test_every_wrong_key_is_named():
    for change, word in (
        ({"colour": 1}, "'colour'"),
        ({"api_url": None}, "'api_url'"),
        ({"api_url": "http://x/v1"}, "allow_insecure"),
        ({"api_url": "ftp://x"}, "'api_url'"),
        ({"api_url": "https://me:pw@x"}, "'api_url'"),
        ({"device_token": ""}, "'device_token'"),
        ({"device_token": "a b"}, "'device_token'"),
        ({"device_token": "x" * 600}, "'device_token'"),
        ({"storage": 7}, "'storage'"),
        ({"roots": "root.der"}, "'roots'"),
        ({"roots": []}, "'roots'"),
        ({"roots": [7]}, "'roots'"),
        ({"roots": ["/nowhere.der"]}, "/nowhere.der"),
        ({"max_connections": True}, "'max_connections'"),
        ({"max_connections": 0}, "'max_connections'"),
        ({"max_connections": 1.5}, "'max_connections'"),
        ({"chunk_bytes": 100}, "'chunk_bytes'"),
        ({"allow_insecure": 1}, "'allow_insecure'"),
        ({"apn_auth": "md5"}, "none, pap, chap"),
        ({"queue_order": "random"}, "'queue_order'"),
        ({"network_preference": ["pigeon"]}, "'network_preference'"),
        ({"network_preference": "wifi"}, "'network_preference'"),
        ({"off_peak_start": "22:00"}, "go together"),
        ({"off_peak_start": "24:00", "off_peak_end": "06:00"}, "'off_peak_start'"),
        ({"radio_idle_timeout_s": 5}, "10 to 2540"),
        ({"sim_pin": "12a4"}, "4 to 8 digits"),
        ({"timezone": "Mars/Olympus"}, "'timezone'"),
        ({"timezone": "+15:00"}, "'timezone'"),
        ({"wifi": [{"key": "12345678"}]}, "'wifi'"),
        ({"wifi": [{"ssid": "x" * 33}]}, "'wifi'"),
        ({"wifi": ["home"]}, "'wifi'"),
        ({"daily_data_limit_mb": -1}, "'daily_data_limit_mb'"),
    ):
        values = good()
        values.update(change)
        e = raises(ConfigError, check, values)
        assert word in str(e), str(e)
        assert "\n" not in str(e) and "dtok_secret" not in str(e)
    for key in ("api_url", "device_token", "storage", "roots"):
        values = good()
        del values[key]
        assert repr(key) in str(raises(ConfigError, check, values))
    raises(ConfigError, check, [])


def test_a_pem_file_is_not_taken_for_a_root():
    values = good()
    with open(values["roots"][0], "wb") as f:
        f.write(b"-----BEGIN CERTIFICATE-----\n")
    assert "DER" in str(raises(ConfigError, check, values))


def test_a_file_that_is_missing_or_not_json_is_named():
    path = folder() + "/c.json"
    assert path in str(raises(ConfigError, load, path))
    with open(path, "w") as f:
        f.write("{")
    assert path in str(raises(ConfigError, load, path))


def test_http_is_allowed_only_when_asked_for():
    values = good()
    values.update({"api_url": "http://x/v1", "allow_insecure": True, "roots": []})
    assert check(values).api_url == "http://x/v1"


def test_tokens_and_signatures_are_kept_out_of_texts():
    text = "GET https://s3/x?X-Amz-Signature=abc&y=1 failed for dtok_123 and hush"
    clean = redact(text, "hush")
    assert clean == "GET https://s3/x?... failed for dtok_... and [secret]", clean
    assert redact("X-Amz-Signature=abc") == "..."


def test_every_media_type_of_the_contract_and_no_other():
    for content_type in media.content_types():
        kind = layout.kind_of(content_type)
        assert media.check_type(kind, content_type) == content_type
        assert layout.content_type_of(layout.media_name(0, content_type)) == content_type
    assert len(media.content_types()) == 10
    assert media.check_type("audio") == "audio/opus"
    for kind, content_type in (
        ("audio", "image/png"),
        ("image", None),
        ("video", None),
        ("image", "image/gif"),
        ("text", "text/plain"),
    ):
        e = raises(MediaTypeError, media.check_type, kind, content_type)
        assert "audio" in str(e) or "image/jpeg" in str(e) or "video/mp4" in str(e)


def test_settings_that_the_service_sends_hold_as_far_as_they_are_valid():
    from uploader.config import amend

    c = check(good())
    held = amend(c, {"off_peak_start": "22:00", "off_peak_end": "06:00", "timezone": "+02:00"})
    assert len(held) == 3 and c.timezone_s == 7200
    held = amend(c, {"timezone": "Mars/Olympus", "daily_data_limit_mb": 9, "off_peak_end": ""})
    assert held == {"daily_data_limit_mb": 9} and c.timezone == "+02:00"
    assert amend(c, {"off_peak_start": "", "off_peak_end": ""}) and c.off_peak_start == ""
