"""Completion with proof: the cloud hashes what lies in S3, or behaves like a service that does
not know of hashes."""

import json

import pytest
from test_cloud import ABC, Device, complete, uploaded


@pytest.fixture
def device(cloud):
    return Device(cloud)


def test_a_hash_is_verified_after_as_many_425_as_it_takes(cloud, device):
    cloud.service.behaviour.too_early = 2
    path = uploaded(device)
    assert [complete(device, path)[0] for _ in range(2)] == [425, 425]
    status, recording = complete(device, path)
    assert (status, recording["status"]) == (200, "uploaded")
    assert recording["content_sha256"] == ABC and recording["content_sha256_verified_at"]
    assert complete(device, path)[0] == 409


def test_a_wrong_hash_is_an_integrity_failure_for_good(cloud, device):
    path = uploaded(device)
    status, recording = complete(device, path, "0" * 64)
    assert (status, recording["status"]) == (200, "integrity_failure")
    assert recording["content_sha256_verified_at"] is None
    for mismatch in ("409", "422"):
        cloud.service.behaviour.mismatch = mismatch
        status, answer = complete(device, path)
        assert (status, answer["error"]["code"]) == (int(mismatch), "integrity_failure")
    again = path.replace("upload-complete", "upload-url")
    wanted = {"type": "audio", "file_size_bytes": 3}
    assert device.call(again, wanted)[0] == 409
    cloud.service.behaviour.reopen = True
    status, _, body = device.call(again, wanted)
    assert status == 200
    grant = json.loads(body)
    assert device.put(grant["upload_url"], b"abc", grant["headers"])[0] == 200
    assert complete(device, path)[1]["status"] == "uploaded"


def test_what_lies_in_s3_is_hashed_not_what_was_declared(cloud, device):
    path = uploaded(device)
    (recording,) = cloud.recordings()
    media = recording.media[0]
    cloud.s3.put(f"proj_local/{recording.id}/{media.id}/audio.opus", b"abd")
    assert complete(device, path)[1]["status"] == "integrity_failure"


def test_a_service_that_does_not_know_the_hash(cloud, device):
    for completion, status in (("refuse_400", 400), ("refuse_422", 422)):
        cloud.service.behaviour.completion = completion
        path = uploaded(device)
        assert complete(device, path)[0] == status
        assert complete(device, path, None)[0] == 200
    cloud.service.behaviour.completion = "ignore"
    status, recording = complete(device, uploaded(device), "0" * 64)
    assert status == 200 and "content_sha256" not in recording


def test_another_hash_can_be_answered_and_other_answers_to_a_second_completion(cloud, device):
    cloud.service.behaviour.answer_sha256 = "f" * 64
    path = uploaded(device)
    assert complete(device, path)[1]["content_sha256"] == "f" * 64
    for repeat in ("400", "409", "200"):
        cloud.service.behaviour.repeat = repeat
        assert complete(device, path)[0] == int(repeat)


def test_one_hash_for_two_different_files_is_refused(cloud, device):
    path = uploaded(device)
    wanted = {"type": "image", "file_size_bytes": 3}
    _, _, body = device.call(path.replace("upload-complete", "upload-url"), wanted)
    grant = json.loads(body)
    assert device.put(grant["upload_url"], b"abd", grant["headers"])[0] == 200
    assert complete(device, path)[0] == 400
    assert complete(device, path, None)[0] == 200


def test_a_behaviour_that_does_not_exist_is_refused(cloud):
    with pytest.raises(ValueError):
        cloud.service.behaviour.completion = "verfy"
    with pytest.raises(ValueError):
        cloud.service.behaviour.too_erly = 1
