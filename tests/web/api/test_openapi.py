"""The OpenAPI document and the API say the same. (Every other test here also holds its answers against it.)"""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.web.api.asking import install, upload
from tests.web.api.schema import Document


@pytest.fixture
def document(client: FlaskClient) -> Document:
    return Document(client.get("/api/v1/openapi.json").get_json())


def test_it_is_a_document_of_version_3_1(document: Document) -> None:
    assert document.raw["openapi"].startswith("3.1.")
    assert document.raw["info"].keys() >= {"title", "version"}


def test_every_reference_leads_somewhere(document: Document) -> None:
    references = set(document.references())
    assert references
    for reference in references:
        assert isinstance(document.resolve(reference), dict)


def test_every_rule_of_the_api_is_in_the_document_and_the_other_way_round(app: Flask, document: Document) -> None:
    served = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(method, path) for path, item in document.raw["paths"].items() for method in item}


def test_every_operation_is_described(document: Document) -> None:
    operations = [operation for item in document.raw["paths"].values() for operation in item.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    for path, item in document.raw["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
            assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")
            assert all(answer["description"] for answer in operation["responses"].values())


def test_the_checker_of_the_answers_finds_what_is_wrong(client: FlaskClient, document: Document) -> None:
    """The other tests rely on it."""
    operation = document.operation("POST", "/api/v1/plugins/upload")
    assert operation is not None
    body: dict[str, Any] = install(client)
    assert document.faults(operation, 201, body) == []
    wrongs: list[Any] = [
        {**body, "success": False},
        {**body, "success": 1},
        {**body, "more": 1},
        {**body, "details": {**body["details"], "tools": [1]}},
        {**body, "details": {**body["details"], "previous_version": 1}},
        {name: value for name, value in body.items() if name != "plugin_name"},
        [],
    ]
    for wrong in wrongs:
        assert document.faults(operation, 201, wrong)
    assert document.faults(operation, 418, body)


def test_an_upload_as_the_document_describes_it_is_taken(client: FlaskClient, document: Document) -> None:
    body = document.raw["paths"]["/api/v1/plugins/upload"]["post"]["requestBody"]["content"]
    fields = body["multipart/form-data"]["schema"]
    assert fields["required"] == ["file"]
    assert set(fields["properties"]) == {"file", "force_overwrite", "activate", "upgrade"}
    assert upload(client, fields={"force_overwrite": "true", "activate": "true"}).status_code == 201
