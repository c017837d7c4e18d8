import io

import pytest
from flask.testing import FlaskClient

from cadence.errors import NotFound
from cadence.parts import Parts
from tests.building import example_archive


def test_a_health_check_is_run_in_the_worker_that_answers(client: FlaskClient, parts: Parts) -> None:
    upload = {"file": (io.BytesIO(example_archive("sensor_plugin-1.0.0")), "sensor_plugin-1.0.0.zip")}
    assert client.post("/api/v1/plugins/upload", data=upload).status_code == 201
    live_set = parts.serving.live_set
    assert live_set.check_health("sensor_plugin").healthy
    assert client.post("/api/v1/plugins/sensor_plugin/tools/break_sensor", json={}).status_code == 200
    report = live_set.check_health("sensor_plugin")
    assert not report.healthy
    assert report.error or report.details


def test_the_health_of_a_plugin_that_is_not_there_is_not_found(parts: Parts) -> None:
    with pytest.raises(NotFound, match="stranger"):
        parts.serving.live_set.check_health("stranger")
