"""Fine-tuning with the Hugging Face Trainer: checkpoints, resume, one or many devices."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
import yaml
from accelerate.utils import extract_model_from_parallel
from transformers import PreTrainedModel, Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import get_last_checkpoint

from bento_service.reading.tokenization import TextTokenizer
from training.errors import DataError, OutputFolderError
from training.network import base as base_models
from training.network import processor
from training.prepare import features
from training.prepare.labels import key

if TYPE_CHECKING:
    from training.config import TrainSettings
    from training.data import Example
    from training.network.base import BaseCheckpoint
    from training.prepare.labels import Label

logger = logging.getLogger(__name__)

Measure = Callable[["PreTrainedModel"], dict[str, float]]
"""Evaluates a network: exact_match and f1, in percent."""

SETTINGS_FILE = "settings.yaml"
TAG_FILE = "tag"
LENGTH_STEP = 32
"""Tokens. With few different lengths, tensors fit into the memory of earlier ones, and a long run does not grow."""


def collate(rows: list[dict[str, Any]], longest: int) -> dict[str, torch.Tensor]:
    """Pad rows to the next multiple of LENGTH_STEP tokens, at most to the `longest` of all rows.

    Returns input_ids, token_type_ids, attention_mask: (batch, seq_len) integers; start_targets, end_targets:
    (batch, seq_len) probabilities.
    """
    length = max(row["length"] for row in rows)
    shape = (len(rows), min(longest, -(-length // LENGTH_STEP) * LENGTH_STEP))
    batch = {name: torch.zeros(shape, dtype=torch.long) for name in ("input_ids", "token_type_ids", "attention_mask")}
    batch |= {name: torch.zeros(shape) for name in ("start_targets", "end_targets")}
    for i, row in enumerate(rows):
        length = row["length"]
        batch["input_ids"][i, :length] = torch.tensor(row["input_ids"])
        batch["token_type_ids"][i, :length] = torch.tensor(row["token_type_ids"])
        batch["attention_mask"][i, :length] = 1
        for name in ("start_targets", "end_targets"):
            batch[name][i, :length] = torch.from_numpy(row[name])
    return batch


class SpanTrainer(Trainer):
    """A Trainer with soft targets in its loss, which evaluates by calling `measure(model)`."""

    def __init__(self, *, measure: Measure, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._measure = measure
        self.measured = False

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,  # noqa: ARG002  # the Trainer passes it
    ) -> Any:
        """Return the cross entropy between targets and logits, mean of start and end."""
        targets = [inputs.pop("start_targets"), inputs.pop("end_targets")]
        outputs = model(**inputs)
        padding = inputs["attention_mask"] == 0
        losses = [
            -(target * logits.float().masked_fill(padding, -1e4).log_softmax(-1)).sum(-1).mean()
            for target, logits in zip(targets, (outputs.start_logits, outputs.end_logits), strict=True)
        ]
        loss = (losses[0] + losses[1]) / 2
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Measure the network as it is now and log the overall figures with the epoch."""
        if not self.is_world_process_zero():
            return {}
        self.measured = True
        figures = {f"eval_{name}": value for name, value in self._measure(cast("PreTrainedModel", self.model)).items()}
        self.log(figures)
        return figures


def prepare_folder(settings: TrainSettings, data_sha256: str, *, overwrite: bool) -> Path | None:
    """Prepare the output folder and return the checkpoint to resume from, if there is one.

    An unfinished run with the same data and settings (except for the gate's) is resumed. Raises OutputFolderError when
    the folder contains anything else, unless `overwrite` is true.
    """
    folder = settings.output_dir
    if folder.exists() and not folder.is_dir():
        raise OutputFolderError(f"output folder {folder} is a file; name another with --output-dir")
    written = folder / SETTINGS_FILE
    resumable = not is_finished(folder) and _is_of_run(written, settings, data_sha256)
    if folder.is_dir() and any(folder.iterdir()) and not resumable:
        if not overwrite:
            raise OutputFolderError(
                f"output folder {folder} holds a finished run, or one with other settings or data; "
                "name another with --output-dir, or replace it with --overwrite"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written.write_text(f"{settings.to_yaml()}{_data_line(data_sha256)}", encoding="utf-8")
    last = get_last_checkpoint(str(folder))  # type: ignore[no-untyped-call]
    return Path(last) if last else None


def _is_of_run(written: Path, settings: TrainSettings, data_sha256: str) -> bool:
    """Return whether a settings file is that of the same run; the gate may differ, since training does not use it."""
    try:
        text = written.read_text(encoding="utf-8")
        values = yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError):
        return False
    expected = settings.model_dump(mode="json") | {"gate": None}
    return isinstance(values, dict) and values | {"gate": None} == expected and text.endswith(_data_line(data_sha256))


def _data_line(data_sha256: str) -> str:
    return f"# data sha256: {data_sha256}\n"


def is_finished(folder: Path) -> bool:
    """Return whether the model of the run in this folder was stored."""
    return (folder / TAG_FILE).is_file()


def finish(folder: Path, tag: str) -> None:
    """Mark the run as stored and remove its checkpoints, which are no longer needed."""
    (folder / TAG_FILE).write_text(f"{tag}\n", encoding="utf-8")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)


def fine_tune(
    settings: TrainSettings,
    base: BaseCheckpoint,
    tokenizer: TextTokenizer,
    examples: list[Example],
    measure: Measure,
    *,
    labels: Mapping[str, Label] | None = None,
    checkpoint: Path | None = None,
) -> tuple[PreTrainedModel, list[dict[str, float]]]:
    """Fine-tune the base model on the examples and the soft labels of them, with its own tokenizer.

    `measure` is called after every epoch with the network that the run would return if it ended there. Returns
    the network, and a row an epoch: epoch, mean training loss, dev exact match and F1 in percent.
    """
    processor.keep_freed_memory()
    set_seed(settings.seed)
    rows = features.build(
        examples,
        tokenizer,
        max_length=settings.max_length,
        doc_stride=settings.doc_stride,
        labels=labels,
        label_weight=settings.label_weight,
    )
    logger.info("%d questions, %d windows, %d tokens", len(examples), len(rows), sum(r["length"] for r in rows))
    if labels is not None:
        _check_labels(settings, labels, examples)
    network = base_models.load(base, settings)
    attention = processor.attend_in_steps(network)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()} if settings.base_share else {}
    trainer = SpanTrainer(
        measure=lambda model: measure(_result(model, start, settings.base_share, attention)),
        model=_with_adapter(network, settings),
        args=_arguments(settings, len(rows)),
        train_dataset=rows,
        eval_dataset=rows[:1],  # a placeholder: evaluate() has its own examples
        data_collator=partial(collate, longest=max(row["length"] for row in rows)),
    )
    if checkpoint is not None:
        logger.info("resuming from %s", checkpoint.name)
    with contextlib.redirect_stdout(sys.stderr):  # the progress bar prints its log lines to stdout
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        if not trainer.measured:  # resumed after the last epoch
            trainer.evaluate()
    return _result(trainer.model, start, settings.base_share, attention), epochs(trainer.state.log_history)


def _check_labels(settings: TrainSettings, labels: Mapping[str, Label], examples: list[Example]) -> None:
    """Raise DataError when none of the examples has a soft label."""
    labelled = sum(key(example) in labels for example in examples)
    if not labelled:
        files = " and ".join(map(str, settings.labels))
        raise DataError(f"no question of {' '.join(settings.data)} is labelled in {files}; label these, or others")
    logger.info("%d questions have soft labels", labelled)


def epochs(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Condense the Trainer's log to a row an epoch: epoch, mean training loss, dev exact match and F1 (percent)."""
    rows: list[dict[str, float]] = []
    losses: list[float] = []
    for entry in history:
        if "loss" in entry:
            losses.append(float(entry["loss"]))
        elif "eval_f1" in entry and (not rows or entry["epoch"] > rows[-1]["epoch"]):
            loss = sum(losses) / max(1, len(losses))
            row = {"epoch": entry["epoch"], "loss": loss, "exact_match": entry["eval_exact_match"]}
            rows.append({name: round(value, 3) for name, value in (row | {"f1": entry["eval_f1"]}).items()})
            losses = []
    return rows


def _arguments(settings: TrainSettings, windows: int) -> TrainingArguments:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    updates = settings.epochs * windows / (settings.batch_size * processes)
    return TrainingArguments(
        output_dir=str(settings.output_dir),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=round(settings.warmup_ratio * updates),
        weight_decay=settings.weight_decay,
        lr_scheduler_type="linear",
        train_sampling_strategy="group_by_length",
        bf16=processor.multiplies_bf16(),
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        save_strategy="steps",
        save_steps=settings.save_steps,
        save_total_limit=2,
        eval_strategy="epoch",
        logging_steps=10,
        logging_first_step=True,
        disable_tqdm=False,
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        remove_unused_columns=False,
    )


def _with_adapter(model: PreTrainedModel, settings: TrainSettings) -> Any:
    if settings.adapter == "none":
        return model
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        task_type="QUESTION_ANS",
        r=settings.lora_rank,
        lora_alpha=2 * settings.lora_rank,
        target_modules="all-linear",
        modules_to_save=["qa_outputs"],
    )
    return get_peft_model(model, config)


def _result(model: Any, start: Mapping[str, torch.Tensor], share: float, attention: str) -> PreTrainedModel:
    """Return the network that a run results in, as a copy with this implementation of attention.

    An adapter is merged into the weights. Each weight is the average of the fine-tuned one and the start's, which has
    the weight `share` (https://arxiv.org/abs/2109.01903).
    """
    # This removes the Trainer's bfloat16, which would otherwise be measured and exported.
    result = extract_model_from_parallel(copy.deepcopy(model), keep_fp32_wrapper=False)
    if hasattr(result, "merge_and_unload"):
        result = result.merge_and_unload()
    plain: PreTrainedModel = result
    plain.train(False)
    plain.set_attn_implementation(attention)
    for name, tensor in plain.state_dict().items() if share else ():
        if tensor.is_floating_point():
            tensor.lerp_(start[name].to(tensor.device), share)
    return plain
