"""English words that turn a question into its opposite, for constructed unanswerable questions."""

from __future__ import annotations

import re

_PAIRS = """
able unable|accept reject|active inactive|ancient modern|approved rejected|arrive leave|attack defend|began ended
begin end|beginning ending|below above|best worst|better worse|big small|birth death|born died|bottom top|buy sell
built demolished|cause prevent|caused prevented|cheap expensive|closed opened|cold hot|common rare|created destroyed
decrease increase|decreased increased|decreasing increasing|defeated lost|died survived|different same|difficult easy
direct indirect|dry wet|earliest latest|early late|eastern western|east west|enemy ally|entered left|export import
external internal|fail succeed|failed succeeded|fast slow|female male|fewer more|first last|founded dissolved|gain lose
gained lost|given denied|good bad|greater lesser|greatest least|growth decline|hard soft|heavy light|high low
higher lower|highest lowest|important unimportant|include exclude|included excluded|increased reduced|inner outer
inside outside|introduced abolished|joined left|large small|larger smaller|largest smallest|legal illegal
liked disliked|long short|longer shorter|longest shortest|lost won|major minor|majority minority|maximum minimum
more less|most least|natural artificial|near far|necessary unnecessary|new old|newest oldest|north south
northern southern|official unofficial|older younger|oldest youngest|open closed|opposed supported|peace war
popular unpopular|positive negative|possible impossible|praised criticized|private public|promoted demoted
produced consumed|raised lowered|received sent|rich poor|rise fall|rose fell|rural urban|simple complex|start finish
started finished|strong weak|stronger weaker|strongest weakest|success failure|successful unsuccessful|support oppose
tallest shortest|upper lower|usually rarely|victory defeat|warm cool|wide narrow|allowed forbidden
"""


def _both_ways() -> dict[str, str]:
    pairs = [(first, second) for first, second in map(str.split, re.split(r"[|\n]", _PAIRS.strip()))]
    return {second: first for first, second in pairs} | dict(pairs)


OPPOSITES = _both_ways()
"""Words with their opposites, in lower case."""
