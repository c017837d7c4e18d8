"""uv's words as version 0.13 puts them, to what a person reads."""

import pytest

from cadence.dependencies.explanation import HERE, explain

CULPRITS = {"pandas": "pandas>=3", "numpy": "numpy<1.20", "django": "django>=6", "alpha": "alpha", "beta": "beta>=2"}
NONE = "we can conclude that your requirements are unsatisfiable."


@pytest.mark.parametrize(
    ("words", "code", "culprit", "message"),
    [
        (
            "cause: Because pandas==3.1.0 depends on numpy{python_full_version < '3.14'}>=2.0.2 and you require "
            "pandas==3.1, we can conclude that you require numpy>=2.0.2.\n"
            f"   And because you require numpy<1.20, {NONE}",
            "conflict",
            "pandas>=3",
            "pandas needs numpy>=2.0.2, the plugin needs numpy<1.20; no version of numpy fits them all.",
        ),
        (
            "cause: Because the current Python version (3.11.7) does not satisfy Python>=3.12 and django>=6.0 "
            "depends on Python>=3.12, we can conclude that django>=6.0 cannot be used.\n"
            f"   And because you require django>=6, {NONE}",
            "wrong_python",
            "django>=6",
            f"django needs Python>=3.12, this server runs {HERE}.",
        ),
        (
            "cause: Because only beta==2.0 is available and beta==2.0 depends on alpha<2, we can conclude that all "
            f"versions of beta depend on alpha<2.\n   And because you require alpha>=2 and beta, {NONE}",
            "conflict",
            "alpha",
            "beta needs alpha<2, the plugin needs alpha>=2; no version of alpha fits them all.",
        ),
        (
            "cause: Because only the following versions of numpy are available:\n    numpy<=1.10\n    numpy>1.11a0\n"
            f"  and you require numpy>1.10,<1.11a0, {NONE}",
            "no_version",
            "numpy<1.20",
            "The plugin needs numpy>1.10,<1.11a0, and there is no such version in the package index.",
        ),
        (
            "cause: Because all versions of docopt have no usable wheels and alpha==1.0 depends on docopt, we can "
            f"conclude that alpha==1.0 cannot be used.\n   And because you require alpha, {NONE}",
            "only_source",
            "alpha",
            f"docopt only has a source distribution for {HERE}, no wheel (alpha needs docopt); "
            "building it would run its code on the server. Its operator can allow that, in the sandbox, by "
            "CADENCE_ALLOW_SDIST=true.",
        ),
        (
            "error: Request failed after 3 retries in 8.3s\n  cause: Failed to fetch: the package index\n"
            "  cause: tcp connect error\n  cause: Connection refused (os error 111)",
            "index_unreachable",
            "pandas>=3, numpy<1.20, django>=6, alpha, beta>=2",
            "The package index does not answer (connection refused); try again later.",
        ),
        (
            f"cause: Because alpha was not found in the package registry and you require alpha, {NONE}\n\n"
            "hint: An index (the package index) returned a 403 Forbidden error.",
            "index_refused",
            "alpha",
            "The package index refuses to answer this server (403 Forbidden); its operator has to check the access.",
        ),
        (
            "error: Failed to install: alpha-1.0-py3-none-any.whl (alpha==1.0)\n  cause: invalid peer",
            "broken_wheel",
            "alpha",
            "The wheel of alpha 1.0 is damaged and cannot be unpacked.",
        ),
        (
            "error: Failed to build `alpha==1.0`\n  cause: The build backend returned an error\n"
            "  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)",
            "build_failed",
            "alpha",
            f"alpha 1.0 has no wheel for {HERE}, and building it from source failed: The build backend returned an "
            "error Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)",
        ),
        (
            "cause: Because beta<=1.0 depends on alpha<2 and beta==2.0 depends on alpha<3, we can conclude that all "
            f"versions of beta depend on alpha<3.\n   And because you require alpha>=3 and beta, {NONE}",
            "conflict",
            "alpha",
            "beta needs alpha<3, the plugin needs alpha>=3; no version of alpha fits them all.",
        ),
        ("error: something new about `beta`", "unresolvable", "beta>=2", "something new about `beta`"),
        ("", "unresolvable", "pandas>=3, numpy<1.20, django>=6, alpha, beta>=2", "uv gave no reason."),
    ],
)
def test_the_words_of_uv_become_a_sentence(words: str, code: str, culprit: str, message: str) -> None:
    fault = explain(words, CULPRITS, {})
    assert (fault.code, fault.culprit, fault.message) == (code, culprit, message)


def test_what_the_sdk_needs_is_told_apart_from_what_the_plugin_needs() -> None:
    words = f"cause: Because you require langchain-core<0.1 and langchain-core>=1.0, {NONE}"
    fault = explain(words, {"langchain-core": "LangChain_Core[x] < 0.1"}, {}, {"langchain-core": "langchain-core>=1.0"})
    assert (fault.code, fault.culprit) == ("conflict", "LangChain_Core[x] < 0.1")
    assert fault.message == (
        "The plugin needs langchain-core<0.1, cadence-sdk needs langchain-core>=1.0; "
        "no version of langchain-core fits them all."
    )


def test_of_a_build_that_says_much_the_end_is_told() -> None:
    fault = explain(f"error: Failed to build `alpha==1.0`\n{'x' * 10_000} the compiler is missing", CULPRITS, {})
    assert fault.message.endswith("the compiler is missing")
    assert len(fault.message) < 1000


def test_an_endless_reason_is_shortened() -> None:
    assert len(explain("x" * 10_000, CULPRITS, {}).message) < 1000
