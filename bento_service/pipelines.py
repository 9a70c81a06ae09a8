"""The call of transformers' removed question-answering pipeline, answered by a stored model without torch.

`pipeline("question-answering", model="extractive-qa:latest")` takes the place of `transformers.pipeline(...)`;
docs/from-transformers.md has the differences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from types import GeneratorType
from typing import Any

from bento_service.errors import UnusableArgument
from bento_service.hub import Parameters, PipelineResult, pipeline_result
from bento_service.model_store import load_reader
from bento_service.reading.reader import Reader

TASK = "question-answering"
BATCH = 32
"""Questions of a list that are tokenised at once: enough for all cores, and little memory."""

_ELSEWHERE = {
    "tokenizer": "a stored model has its own",
    "config": "a stored model has its own",
    "revision": "name the version in the tag, such as extractive-qa:<version>",
    "device": "a GPU is used where there is one, with torch installed",
    "device_map": "a GPU is used where there is one, with torch installed",
    "framework": "there is one engine, and no framework",
    "torch_dtype": "the stored graph decides the precision; `python -m training import` makes it",
    "dtype": "the stored graph decides the precision; `python -m training import` makes it",
    "token": "`python -m training import NAME` downloads a model",
    "trust_remote_code": "no code of a model is run",
    "topk": "it is called top_k",
    "X": "pass question=... and context=..., or one list of {'question', 'context'}",
    "data": "pass question=... and context=..., or one list of {'question', 'context'}",
}
"""Parameters of the removed pipeline that this one lacks, with what to do instead."""
_WITHOUT_EFFECT = ("max_question_len", "padding", "batch_size", "num_workers")
"""Parameters that changed no answer of the removed pipeline with a fast tokenizer. They are ignored."""


def pipeline(task: str = TASK, model: str = "extractive-qa:latest", **options: Any) -> QuestionAnsweringPipeline:
    """Load a stored model for questions from Python.

    model: a tag of the BentoML store. options: defaults of the calls, as for `QuestionAnsweringPipeline`.
    Raises UnusableArgument, and ArtifactError when the model is missing or changed.
    """
    if task != TASK:
        raise UnusableArgument(f"the task {task!r} is not done here, only {TASK!r}; transformers does others")
    if not isinstance(model, str):
        raise UnusableArgument(
            "model must be a tag of the BentoML store, such as 'extractive-qa:latest'; "
            "`python -m training import FOLDER` stores a checkpoint"
        )
    parameters = _changed(Parameters(), options)
    return QuestionAnsweringPipeline(load_reader(model), parameters)


class QuestionAnsweringPipeline:
    """Answers questions with spans of their contexts. Threads may share it."""

    task = TASK

    def __init__(self, reader: Reader, parameters: Parameters | None = None) -> None:
        self.reader = reader
        self._parameters = Parameters() if parameters is None else parameters

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Answer one question, or several.

        inputs: question and context, as texts or lists of texts by these names; or a {"question", "context"}, a list
        or a generator of them. options: fields of `Parameters`. Returns a result for one question, a list of results
        for several, and for a generator an iterator that answers each as it is asked for. Raises UnusableArgument, and
        QuestionTooLong or UnusableWindow when the windows leave no room.
        """
        given: dict[str, Any] = {name: options.pop(name) for name in ("question", "context") if name in options}
        parameters = _changed(self._parameters, options)
        items = _items(inputs, given)
        if isinstance(items, GeneratorType):
            return (self._answer([_pair(item)], parameters)[0] for item in items)
        pairs = [_pair(item) for item in items]
        if len(pairs) == 1:
            return self._answer(pairs, parameters)[0]
        waiting = iter(pairs)
        results: list[PipelineResult] = []
        while batch := list(islice(waiting, BATCH)):
            results += self._answer(batch, parameters)
        return results

    def _answer(self, pairs: list[tuple[str, str]], parameters: Parameters) -> list[PipelineResult]:
        longest = self.reader.settings.max_length
        queries = [parameters.query(question, context, longest) for question, context in pairs]
        return [pipeline_result(answers) for answers in self.reader.answer_all(queries)]


def _changed(parameters: Parameters, options: Mapping[str, Any]) -> Parameters:
    known = {name: value for name, value in options.items() if name not in _WITHOUT_EFFECT}
    for name in known.keys() - Parameters.__dataclass_fields__.keys():
        reason = _ELSEWHERE.get(name, f"it takes {', '.join(Parameters.__dataclass_fields__)}")
        raise UnusableArgument(f"{name} is no parameter of this pipeline: {reason}")
    return replace(parameters, **{name: value for name, value in known.items() if value is not None})


def _items(inputs: tuple[Any, ...], given: dict[str, Any]) -> Iterable[Any]:
    """Return the questions and contexts of a call, one item each, or its generator."""
    if inputs and given:
        raise UnusableArgument("pass either question=... and context=..., or one list of {'question', 'context'}")
    if len(inputs) == 2 and all(isinstance(text, str) for text in inputs):
        given = dict(zip(("question", "context"), inputs, strict=True))
    elif len(inputs) == 1:
        (items,) = inputs
        if isinstance(items, str) or not isinstance(items, Iterable):
            raise UnusableArgument(f"pass question=... and context=..., not one {type(items).__name__}")
        return [items] if isinstance(items, Mapping) else items
    elif inputs:
        return inputs
    missing = [name for name in ("question", "context") if name not in given]
    if missing:
        raise UnusableArgument(f"{' and '.join(missing)} must be given, a text or a list of texts each")
    return _paired(given["question"], given["context"])


def _paired(questions: Any, contexts: Any) -> list[dict[str, Any]]:
    if isinstance(questions, list) and not isinstance(contexts, list):
        contexts = [contexts] * len(questions)
    elif not isinstance(questions, list):
        if isinstance(contexts, list):
            raise UnusableArgument("one question on several contexts: pass the question once for each context")
        questions, contexts = [questions], [contexts]
    if len(questions) != len(contexts):
        raise UnusableArgument(f"{len(questions)} questions do not go with {len(contexts)} contexts; pass one for each")
    return [{"question": q, "context": c} for q, c in zip(questions, contexts, strict=True)]


def _pair(item: Any) -> tuple[str, str]:
    if not isinstance(item, Mapping):
        raise UnusableArgument(f"each question must be a {{'question', 'context'}}, not {type(item).__name__}")
    for name in ("question", "context"):
        text = item.get(name)
        if not isinstance(text, str) or not text:
            problem = "missing" if name not in item else "empty" if text == "" else f"{type(text).__name__}"
            raise UnusableArgument(f"{name} must be a text with at least one character, and is {problem}")
    return item["question"], item["context"]
