"""Prints the answers and the candidate spans of the pipeline that transformers 5.3 removed, for tests/agreement.

A line of JSON on stdin names a checkpoint and its queries, {"checkpoint", "queries": [{"question", "context", ...}]}.
A line on stdout answers it: for each query its "answers", best first, and its "windows" with their best spans.
"""

import json
import sys

import numpy as np
from transformers import QuestionAnsweringPipeline, pipeline
from transformers.pipelines.question_answering import select_starts_ends

SPANS = 101
"""Number of spans that are printed for a window; for several answers, ten times as many.

It is not a square: the pipeline fails if a window has exactly as many pairs of tokens.
"""


class SpanPipeline(QuestionAnsweringPipeline):
    """The removed pipeline, which also returns its spans."""

    def postprocess(self, model_outputs, top_k=1, handle_impossible_answer=False, max_answer_len=15, **options):
        """Return the answers of the pipeline, as a list, and the spans of all windows."""
        outputs = list(model_outputs)
        chosen = super().postprocess(outputs, top_k, handle_impossible_answer, max_answer_len, **options)
        count = SPANS if top_k == 1 else 10 * SPANS
        return {
            "answers": [chosen] if isinstance(chosen, dict) else chosen,
            "windows": [self.window(output, count, max_answer_len, **options) for output in outputs],
        }

    def window(self, output, count, max_answer_len, align_to_words=True):
        """Return how many tokens of the context a window has, its null score, and its spans.

        A span is [first token, start, end, start of its tokens, end of its tokens, log of its score in the window's
        softmax, sum of its logits]: characters, the first two as they are answered.
        """
        encoding = output["encoding"]
        inside = [i for i, sequence in enumerate(encoding.sequence_ids) if sequence == 1]
        start, end = (output[name].float().numpy() for name in ("start", "end"))
        choice = (start, end, output["p_mask"], None, np.inf, count, True, max_answer_len)
        spans = []
        for first, last, score in zip(*select_starts_ends(*choice)[:3], strict=True):
            if score > 0 and min(first, last) >= inside[0]:
                answered = self.get_indices(encoding, first, last, 1, align_to_words)
                own = self.get_indices(encoding, first, last, 1, False)
                logits = float(start[0, first] + end[0, last])
                spans.append([int(first) - inside[0], *map(int, (*answered, *own)), float(np.log(score)), logits])
        return {"tokens": len(inside), "null": float(start[0, 0] + end[0, 0]), "spans": spans}


for line in sys.stdin:
    request = json.loads(line)
    answering = pipeline("question-answering", model=request["checkpoint"], pipeline_class=SpanPipeline)
    print(json.dumps([answering(**query) for query in request["queries"]]), flush=True)
